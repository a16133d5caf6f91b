package serve

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long the file must be quiet before it is looked at: a commit
// writes in several places.
const settle = 100 * time.Millisecond

// Watch refreshes the index when its file changes, until ctx ends. Where the
// system tells of changes it takes a moment; elsewhere, and without a file, up to Options.Poll.
func (s *Server) Watch(ctx context.Context) {
	if _, ok := s.c.Index.(refresher); !ok {
		return
	}
	var events chan fsnotify.Event
	if w, err := fsnotify.NewWatcher(); err == nil && s.path != "" {
		defer w.Close()
		// The folder, because a compacted or rebuilt index is another file.
		if err := w.Add(filepath.Dir(s.path)); err == nil {
			events = w.Events
		} else {
			s.log.Warn("no news of the index file from the system; looking at it instead", "every", s.opts.Poll, "error", err)
		}
	}
	poll := time.NewTicker(s.opts.Poll)
	defer poll.Stop()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	defer quiet.Stop()
	name := filepath.Base(s.path)
	_, _ = s.Refresh(ctx) // nobody told of what was committed since the index was opened; it logs
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
			} else if filepath.Base(e.Name) == name && !e.Has(fsnotify.Chmod) {
				quiet.Reset(settle)
			}
		case <-quiet.C:
			_, _ = s.Refresh(ctx)
		case <-poll.C:
			_, _ = s.Refresh(ctx)
		}
	}
}
