package source

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/featurecache"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/regions"
)

// TrainingOptions say how Training prepares regions. Nil and zero values mean defaults.
type TrainingOptions struct {
	// Dir is the folder of the extractor's model files, whose content decides the regions, too.
	Dir string
	// Views are what training sees of a picture, view 0 first; nil is the whole picture.
	Views []regions.View
	// Cache is the folder that keeps the regions; "" is one in the user's cache folder.
	Cache string
	// CacheLimit is how many bytes that folder may have; 0 is featurecache.DefaultLimit.
	CacheLimit int64
	// Progress is told the pictures done.
	Progress func(done, total int)
}

// TrainingSet is a source made ready for training: random access to the regions of every view of every
// usable item. It is safe for concurrent use.
type TrainingSet struct {
	// Source has the usable items and their captions. Its Skipped holds everything that was left out.
	*Source

	views []regions.View
	store *featurecache.Store // nil: precomputed
	at    []featurecache.Ref  // of every item
}

// Training makes the regions of all of a source's items and keeps them: photos that were looked at before in the same
// views and with the same extractor, whatever the source was, are found. A call after an interruption goes on where the
// last one stopped. Precomputed sources are read where they lie. The TrainingSet takes the source over: close only the set.
func Training(ctx context.Context, s *Source, x regions.Extractor, o *TrainingOptions) (_ *TrainingSet, err error) {
	var opts TrainingOptions
	if o != nil {
		opts = *o
	}
	if len(opts.Views) == 0 {
		opts.Views = []regions.View{{}}
	}
	if s.Precomputed() {
		if len(opts.Views) > 1 {
			return nil, fmt.Errorf("%w: they cannot be cropped or mirrored", ErrNoPixels)
		}
		return &TrainingSet{Source: s, views: opts.Views}, nil
	}
	if x == nil {
		return nil, fmt.Errorf("%w, and nothing is given to extract them", ErrNoRegions)
	}
	key, err := extractorKey(x, &opts)
	if err != nil {
		return nil, err
	}
	if opts.Cache == "" {
		if opts.Cache, err = CacheDir(); err != nil {
			return nil, err
		}
	}
	store, err := featurecache.Open(opts.Cache, key, featurecache.Shape{Views: len(opts.Views), Dim: x.Dim()}, opts.CacheLimit)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	f := newFiller(s, x, store, &opts)
	if err := f.fill(ctx); err != nil {
		return nil, err
	}
	if err := store.Freeze(); err != nil {
		return nil, err
	}
	t := &TrainingSet{Source: s.Without(f.skips), views: opts.Views, store: store}
	if len(t.Items) == 0 {
		return nil, empty("no usable picture in "+s.Name, f.skips)
	}
	skipped := make(map[string]bool, len(f.skips))
	for _, k := range f.skips {
		skipped[k.ID] = true
	}
	for i, item := range s.Items {
		if !skipped[item.ID] {
			t.at = append(t.at, f.refs[i])
		}
	}
	t.Skipped = append(append(Skips{}, s.Skipped...), f.skips...)
	return t, nil
}

// extractorKey identifies all that decides the regions but for the photo.
func extractorKey(x regions.Extractor, o *TrainingOptions) (featurecache.Key, error) {
	h := sha256.New()
	config, err := json.Marshal(x.Config())
	if err != nil {
		return featurecache.Key{}, err
	}
	fmt.Fprintf(h, "%s\n%v\n%d\n", config, o.Views, x.Dim())
	for _, name := range x.Config().Files() {
		fmt.Fprintf(h, "%q ", name)
		if err := CopyFile(h, filepath.Join(o.Dir, name)); err != nil {
			return featurecache.Key{}, err
		}
	}
	return featurecache.Key(h.Sum(nil)), nil
}

// CopyFile writes the content of a file to w.
func CopyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// CacheDir is the folder in which Training keeps regions, when it is told no other.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "aladin", "features"), nil
}

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Close closes the store and the source.
func (t *TrainingSet) Close() error {
	if t.store == nil {
		return t.Source.Close()
	}
	return errors.Join(t.store.Close(), t.Source.Close())
}

// Len is the number of usable items.
func (t *TrainingSet) Len() int { return len(t.Items) }

// Dim is the number of features a region.
func (t *TrainingSet) Dim() int {
	if t.store == nil {
		return t.Source.Dim()
	}
	return t.store.Dim()
}

// ID is the id of item i.
func (t *TrainingSet) ID(i int) string { return t.Items[i].ID }

// Views are the views that Load knows; it must not be changed.
func (t *TrainingSet) Views() []regions.View { return t.views }

// Load is the regions of a view of item i.
func (t *TrainingSet) Load(ctx context.Context, i, view int) (*region.Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if t.store == nil {
		return t.Source.Set(i)
	}
	return t.store.Load(t.at[i], view)
}
