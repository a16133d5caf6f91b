package follow

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/aladin-go/aladin/index"
)

// How Watch waits: until a folder has been quiet, but not for ever, and for disks that tell of no changes.
const (
	quiet    = 2 * time.Second
	mostWait = time.Minute
	anyway   = 10 * time.Minute
)

// Watch synchronises now, and again whenever something changes in the folders that the index follows, until ctx
// ends. After each time report is called, also with errors, which end nothing.
func Watch(ctx context.Context, file string, enc Encoder, o *Options, report func(*Summary, error)) {
	var events chan fsnotify.Event
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		events = w.Events
		go func() {
			for range w.Errors { // what was missed is found later
			}
		}()
	}
	for ctx.Err() == nil {
		if w != nil {
			watchFolders(ctx, w, file, o) // before: a change while it synchronises counts
		}
		sum, err := Sync(ctx, file, enc, o)
		if ctx.Err() != nil {
			return
		}
		report(sum, err)
		wait := anyway
		if errors.Is(err, index.ErrLocked) {
			wait = mostWait
		}
		settle(ctx, events, wait)
	}
}

// settle waits for a change and then for an end of changes.
func settle(ctx context.Context, events <-chan fsnotify.Event, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var last <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-last:
			return
		case e := <-events:
			if e.Op == fsnotify.Chmod || strings.HasPrefix(filepath.Base(e.Name), ".") {
				continue
			}
			if last == nil {
				timer.Reset(mostWait)
			}
			last = time.After(quiet)
		}
	}
}

// watchFolders has all folders below the roots watched; those that cannot be are looked at now and then.
func watchFolders(ctx context.Context, w *fsnotify.Watcher, file string, o *Options) {
	roots := o.Roots
	if ix, err := index.Open(file, nil); err == nil {
		if info, err := ix.Info(ctx); err == nil {
			if recorded, err := Roots(info.State); err == nil {
				roots = append(recorded, roots...)
			}
		}
		_ = ix.Close() // it was read only
	}
	for _, r := range roots {
		dir := resolved(r.Dir)
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil || !d.IsDir():
				return nil
			case p != dir && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			}
			_ = w.Add(p)
			return nil
		})
	}
}
