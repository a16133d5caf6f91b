package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	// Dir is the folder of the extractor's model files, whose content belongs to the cache's key.
	Dir string
	// Views are what training sees of a picture, view 0 first; nil is the whole picture.
	Views []regions.View
	// Cache is the file that keeps the regions; "" is one in the user's cache folder, named by its key.
	Cache string
	// Exact keeps features as float32; otherwise they are halved, which rounds them to 11 bits.
	Exact bool
	// Progress is told the pictures done.
	Progress func(done, total int)
}

// TrainingSet is a source made ready for training: random access to the regions of every view of every
// usable item. It is safe for concurrent use.
type TrainingSet struct {
	// Source has the usable items and their captions. Its Skipped holds everything that was left out.
	*Source

	views []regions.View
	cache *featurecache.Cache // nil: precomputed
	at    []int               // record of every item in the cache
}

// Training makes the regions of all of a source's items once and keeps them in a file; the next call with
// the same pictures, views and extractor finds them there, and a call after an interruption goes on where
// the last one stopped. Precomputed sources are read where they lie. The TrainingSet takes the source over:
// close only the set.
func Training(ctx context.Context, s *Source, x regions.Extractor, o *TrainingOptions) (*TrainingSet, error) {
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
	key, err := cacheKey(s, x, &opts)
	if err != nil {
		return nil, err
	}
	if opts.Cache == "" {
		if opts.Cache, err = defaultCache(key); err != nil {
			return nil, err
		}
	}
	cache, err := featurecache.Open(opts.Cache, key)
	if errors.Is(err, featurecache.ErrNotCache) {
		return nil, err // somebody's file
	}
	if err != nil { // none there, of something else, or damaged: make it
		if cache, err = fill(ctx, s, x, &opts, key); err != nil {
			return nil, err
		}
	}
	return newTrainingSet(s, cache, opts.Views)
}

func newTrainingSet(s *Source, cache *featurecache.Cache, views []regions.View) (*TrainingSet, error) {
	if cache.Len() != len(s.Items) || cache.Views() != len(views) {
		return nil, errors.Join(fmt.Errorf("%s: %d items of %d views, want %d of %d: remove it", cache.Path(), cache.Len(), cache.Views(), len(s.Items), len(views)), cache.Close())
	}
	var skips Skips
	t := &TrainingSet{views: views, cache: cache}
	for i := range s.Items {
		if reason := cache.Skipped(i); reason != "" {
			skips = append(skips, *s.skip(i, "photo", errors.New(reason)))
			continue
		}
		t.at = append(t.at, i)
	}
	if len(t.at) == 0 {
		return nil, errors.Join(empty("no usable picture in "+s.Name, skips), cache.Close())
	}
	t.Source = s.Without(skips)
	t.Skipped = append(append(Skips{}, s.Skipped...), skips...)
	return t, nil
}

// fill extracts what the cache lacks.
func fill(ctx context.Context, s *Source, x regions.Extractor, o *TrainingOptions, key featurecache.Key) (_ *featurecache.Cache, err error) {
	if err := os.MkdirAll(filepath.Dir(o.Cache), 0o755); err != nil {
		return nil, err
	}
	w, err := featurecache.Create(ctx, o.Cache, key, featurecache.Shape{Items: len(s.Items), Views: len(o.Views), Dim: x.Dim(), Exact: o.Exact})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	report := func() {
		if o.Progress != nil {
			o.Progress(w.Done(), len(s.Items))
		}
	}
	report()
	views := o.Views
	if len(views) == 1 && views[0] == (regions.View{}) {
		views = nil
	}
	for e, err := range Regions(ctx, s, x, w.Done(), views) {
		switch {
		case err != nil:
			return nil, err
		case e.Skip != nil:
			err = w.Skip(e.Skip.Err.Error())
		default:
			err = w.Append(e.Sets)
		}
		if err != nil {
			return nil, err
		}
		report()
	}
	if err := w.Finish(); err != nil {
		return nil, err
	}
	return featurecache.Open(o.Cache, key)
}

// cacheKey identifies all that decides the regions.
func cacheKey(s *Source, x regions.Extractor, o *TrainingOptions) (featurecache.Key, error) {
	h := sha256.New()
	config, err := json.Marshal(x.Config())
	if err != nil {
		return featurecache.Key{}, err
	}
	fmt.Fprintf(h, "%s\n%v\n%d %t\n", config, o.Views, x.Dim(), o.Exact)
	for _, name := range x.Config().Files() {
		fmt.Fprintf(h, "%q ", name)
		if err := CopyFile(h, filepath.Join(o.Dir, name)); err != nil {
			return featurecache.Key{}, err
		}
	}
	for _, item := range s.Items {
		fmt.Fprintf(h, "%q %s\n", item.ID, item.stamp)
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

func defaultCache(key featurecache.Key) (string, error) {
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, hex.EncodeToString(key[:12])+CacheSuffix), nil
}

// CacheSuffix ends the names of the files that keep regions.
const CacheSuffix = ".features"

// CacheDir is the folder in which Training keeps regions, when it is told no other.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "aladin", "features"), nil
}

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Close closes the cache and the source.
func (t *TrainingSet) Close() error {
	if t.cache == nil {
		return t.Source.Close()
	}
	return errors.Join(t.cache.Close(), t.Source.Close())
}

// Len is the number of usable items.
func (t *TrainingSet) Len() int { return len(t.Items) }

// Dim is the number of features a region.
func (t *TrainingSet) Dim() int {
	if t.cache == nil {
		return t.Source.Dim()
	}
	return t.cache.Dim()
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
	if t.cache == nil {
		return t.Source.Set(i)
	}
	return t.cache.Load(t.at[i], view)
}
