// Package follow keeps an index in step with folders of photos. What is new is encoded, what changed is encoded
// again, what is gone is removed, and what was moved or renamed is found by its content and keeps its tags and
// metadata without being encoded.
//
// An index remembers each photo's size, time of modification and hash of content (Item.State), and the folders
// that it follows, its roots (Info.State). A photo whose size and time are those remembered is not read.
//
// # Ids
//
// The id of a photo is its path below its root, with slashes, and, where the root has a name, the name and a
// slash before it. An index has at most one root without a name.
//
// # What is never done
//
// A root without a photo, or one that holds other photos than before, takes nothing out of an index unless
// Options.AllowEmpty says so. Photos in folders that cannot be read, and photos that cannot be decoded now but
// could before, stay as they were. Work is committed every few minutes, and when the context ends.
package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/source"
)

var (
	// ErrEmpty is returned when a root holds no photo, as a disk that is not mounted.
	ErrEmpty = errors.New("no photos")
	// ErrRoot is returned when roots cannot be followed together, or are not what they were.
	ErrRoot = errors.New("cannot follow this folder")
)

// An Encoder makes encodings of photos; an *aladin.Model is one.
type Encoder interface {
	EncodeSeq(ctx context.Context, ins iter.Seq[aladin.Input]) iter.Seq2[*aladin.Encoding, error]
	Fingerprint() string
}

// Options say what is followed and how.
type Options struct {
	// Roots are the folders to bring the index in step with; none means those that it follows already.
	Roots []Root
	// Walk, when set, says what is left out of the folders, from now on; nil is as before.
	Walk *source.WalkOptions
	// XMP makes tags of the keywords in photos, and metadata of titles, descriptions, dates and places, from now on.
	XMP bool
	// DryRun finds out what would be done, and writes nothing.
	DryRun bool
	// AllowEmpty lets a folder that is empty, or holds other photos than before, take items out of the index.
	AllowEmpty bool
	// Index are the options of the file; codecs matter where there is none yet.
	Index index.BuildOptions

	// CommitItems and CommitTime say after how many photos, or how long, work is committed; 0 is 1,000 and two
	// minutes.
	CommitItems int
	CommitTime  time.Duration
	// Progress is told what is going on.
	Progress func(what string, done, total int)
	// Committed is called after each commit.
	Committed func()
}

// A Summary says what was done.
type Summary struct {
	Added      int            `json:"added"`
	Changed    int            `json:"changed"`
	Moved      int            `json:"moved"`
	Removed    int            `json:"removed"`
	Unchanged  int            `json:"unchanged"`
	Unreadable []Unreadable   `json:"unreadable"`
	NotRead    map[string]int `json:"not_read"` // pictures and films, by kind in small letters
	Items      int            `json:"items"`
	Generation uint64         `json:"generation"`
	DryRun     bool           `json:"dry_run,omitempty"`
	// Foreign counts the pictures in the index that belong to no folder it follows.
	Foreign int `json:"foreign,omitempty"`

	Passed source.Passed `json:"-"` // what the folders hold besides photos
}

// String is "3 added, 1 moved", or "nothing changed".
func (s *Summary) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{s.Added, "added"}, {s.Changed, "changed"}, {s.Moved, "moved"}, {s.Removed, "removed"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}

// An Unreadable is a file or folder that could not be read.
type Unreadable struct {
	Path string `json:"path"` // the id that it has, or would have
	Why  string `json:"why"`
}

// run is one synchronisation.
type run struct {
	Options
	file  string
	enc   Encoder
	roots []*root
	ix    *index.Index  // as it was; nil: there is none
	w     *index.Writer // nil in a dry run, and until there is something to write to
	sum   *Summary

	items map[string]*known // of the roots, by id
	plan  plan

	mu          sync.Mutex // of the list of what is unreadable
	uncommitted int
	committed   time.Time
}

// Sync brings an index in step with folders of photos; where there is no index, it makes one. The summary says
// what was done also when there is an error.
func Sync(ctx context.Context, file string, enc Encoder, o *Options) (_ *Summary, err error) {
	r := &run{file: file, enc: enc, sum: &Summary{Unreadable: []Unreadable{}, NotRead: map[string]int{}}}
	if o != nil {
		r.Options = *o
	}
	r.sum.DryRun = r.DryRun
	r.CommitItems = cmp.Or(r.CommitItems, 1000)
	r.CommitTime = cmp.Or(r.CommitTime, 2*time.Minute)
	r.Index.Model, r.Index.Duplicates = enc.Fingerprint(), index.ReplaceDuplicate
	if r.Progress == nil {
		r.Progress = func(string, int, int) {}
	}
	defer func() { err = errors.Join(err, r.close()) }()
	return r.sum, r.sync(ctx)
}

func (r *run) sync(ctx context.Context) error {
	made, err := r.open(ctx)
	if made != nil {
		defer func() { _ = made.Close() }() // after Finish it does nothing
	}
	if err != nil {
		return err
	}
	if err := r.readItems(ctx); err != nil {
		return err
	}
	for _, root := range r.roots {
		if err := r.scan(ctx, root); err != nil {
			return err
		}
	}
	slices.SortFunc(r.sum.Unreadable, func(a, b Unreadable) int { return strings.Compare(a.Path, b.Path) })
	if err := r.makePlan(ctx); err != nil {
		return err
	}
	if r.DryRun {
		r.sum.Added, r.sum.Changed, r.sum.Moved, r.sum.Removed = len(r.plan.add), len(r.plan.change), len(r.plan.moves), len(r.plan.remove)
		return r.finish(ctx)
	}
	if made != nil {
		if err := r.publish(ctx, made); err != nil {
			return err
		}
	}
	return errors.Join(r.apply(ctx), r.finish(ctx))
}

// open takes the file's lock and finds out what it follows. Where there is no file it begins one.
func (r *run) open(ctx context.Context) (made *index.Builder, err error) {
	r.ix, err = index.Open(r.file, &index.Options{Model: r.Index.Model, FS: r.Index.FS})
	if errors.Is(err, fs.ErrNotExist) && !r.DryRun {
		if made, err = index.NewBuilder(r.file, &r.Index); err != nil {
			return nil, err
		}
		// Another one may have made it before the lock was ours.
		r.ix, err = index.Open(r.file, &index.Options{Model: r.Index.Model, FS: r.Index.FS})
		if err == nil {
			err, made = made.Close(), nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	if r.ix != nil && !r.DryRun {
		if r.w, err = index.OpenWriter(r.file, &r.Index); err != nil {
			return made, err
		}
		if _, err := r.ix.Refresh(ctx); err != nil { // what was committed until the lock was ours
			return made, err
		}
	}
	var recorded []Root
	if r.ix != nil {
		info, err := r.ix.Info(ctx)
		if err != nil {
			return made, err
		}
		if recorded, err = Roots(info.State); err != nil {
			return made, fmt.Errorf("%s: %w", r.file, err)
		}
	}
	return made, r.resolve(recorded)
}

// publish gives a new file its name and opens it for what is to be written.
func (r *run) publish(ctx context.Context, made *index.Builder) error {
	if err := made.Finish(ctx); err != nil {
		return err
	}
	w, err := index.OpenWriter(r.file, &r.Index)
	if err != nil {
		return err
	}
	r.w = w
	if r.ix, err = index.Open(r.file, &index.Options{Model: r.Index.Model, FS: r.Index.FS}); err != nil {
		return err
	}
	if r.ix.Len() > 0 {
		return fmt.Errorf("%s was filled by another program meanwhile; run this again: %w", r.file, index.ErrLocked)
	}
	return nil
}

func (r *run) close() error {
	var errs []error
	if r.w != nil {
		errs = append(errs, r.w.Close())
	}
	if r.ix != nil {
		errs = append(errs, r.ix.Close())
	}
	return errors.Join(errs...)
}

// finish fills in what the index is now.
func (r *run) finish(ctx context.Context) error {
	for kind, n := range r.sum.Passed.Kinds {
		r.sum.NotRead[strings.ToLower(kind)] += n
	}
	if r.ix == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // an interrupted run says what it did
	if _, err := r.ix.Refresh(ctx); err != nil {
		return err
	}
	info, err := r.ix.Info(ctx)
	if err != nil {
		return err
	}
	r.sum.Items, r.sum.Generation = info.Items, info.Generation
	return nil
}

// unreadable notes what cannot be read.
func (r *run) unreadable(id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Unreadable = append(r.sum.Unreadable, Unreadable{id, err.Error()})
}
