package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/featurecache"
	"github.com/aladin-go/aladin/internal/parallel"
	"github.com/aladin-go/aladin/internal/regions"
)

// A filler finds the regions of a source's items in a store, and extracts what is not there.
type filler struct {
	src      *Source
	x        regions.Extractor
	store    *featurecache.Store
	opts     *TrainingOptions
	refs     []featurecache.Ref // of every item that is not skipped
	stamps   []featurecache.Key
	contents []featurecache.Key // hashes of those whose file was read
	skips    Skips
	done     int
}

func newFiller(s *Source, x regions.Extractor, store *featurecache.Store, o *TrainingOptions) *filler {
	n := len(s.Items)
	f := &filler{src: s, x: x, store: store, opts: o, refs: make([]featurecache.Ref, n), stamps: make([]featurecache.Key, n), contents: make([]featurecache.Key, n)}
	for i := range s.Items {
		f.stamps[i] = s.Items[i].stampKey()
	}
	return f
}

// stampKey changes when the item's file does, or the file is another. It is found without reading the file.
func (i *Item) stampKey() featurecache.Key {
	where := "generated " + i.ID
	if i.Path != "" {
		where = i.Path
		if abs, err := filepath.Abs(where); err == nil {
			where = abs
		}
	}
	return sha256.Sum256(fmt.Appendf(nil, "%q %s", where, i.stamp))
}

// contentKey is a hash of what the item's file holds. What was generated holds what its stamp says.
func (i *Item) contentKey() (featurecache.Key, error) {
	if i.Path == "" {
		return i.stampKey(), nil
	}
	h := sha256.New()
	err := CopyFile(h, i.Path)
	return featurecache.Key(h.Sum(nil)), err
}

// fillItems is how many items are looked for at a time: few, since a photo is hashed just before it is decoded, while the
// system still has it in memory.
const fillItems = 256

func (f *filler) fill(ctx context.Context) error {
	f.progress(0)
	for from := 0; from < len(f.src.Items); from += fillItems {
		var items []int
		for i := from; i < min(from+fillItems, len(f.src.Items)); i++ {
			items = append(items, i)
		}
		items = f.find(items)
		if len(items) > 0 && !f.store.Locked() {
			if err := f.store.Lock(ctx); err != nil {
				return err
			}
			items = f.find(items) // others may have been at it
		}
		if err := f.extract(ctx, items); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// find looks for items in the store and returns those that are not there.
func (f *filler) find(items []int) (missing []int) {
	missing = f.look(items, f.stamps, f.store.ByStamp)
	parallel.For(len(missing), func(k int) {
		i := missing[k]
		if f.contents[i] != (featurecache.Key{}) {
			return
		}
		if key, err := f.src.Items[i].contentKey(); err == nil { // what cannot be read is told when it is to be decoded
			f.contents[i] = key
		}
	})
	return f.look(missing, f.contents, f.store.ByContent)
}

// look looks for items by a key of each and returns those that are not there.
func (f *filler) look(items []int, keys []featurecache.Key, by func(featurecache.Key) (featurecache.Ref, bool)) (missing []int) {
	for _, i := range items {
		ref, ok := by(keys[i])
		if !ok {
			missing = append(missing, i)
			continue
		}
		f.refs[i] = ref
		f.progress(1)
	}
	return missing
}

// extract makes the regions of items and adds them to the store. What is skipped is tried again whenever somebody asks.
func (f *filler) extract(ctx context.Context, items []int) error {
	if len(items) == 0 {
		return nil
	}
	part := *f.src
	part.Items = make([]Item, len(items))
	for k, i := range items {
		part.Items[k] = f.src.Items[i]
	}
	views := f.opts.Views
	if len(views) == 1 && views[0] == (regions.View{}) {
		views = nil
	}
	for e, err := range Regions(ctx, &part, f.x, views) {
		if err != nil {
			return err
		}
		i := items[e.Item]
		if e.Skip == nil && f.contents[i] == (featurecache.Key{}) {
			e.Skip = f.src.skip(i, "photo", errGone)
		}
		if e.Skip != nil {
			f.skips = append(f.skips, *e.Skip)
		} else if f.refs[i], err = f.store.Add(f.contents[i], f.stamps[i], e.Sets); err != nil {
			return err
		}
		f.progress(1)
	}
	return nil
}

func (f *filler) progress(more int) {
	f.done += more
	if f.opts.Progress != nil {
		f.opts.Progress(f.done, len(f.src.Items))
	}
}
