package heads

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
)

// Data is photos with captions.
type Data struct {
	Name   string
	Images []Image
	// Captions are texts, each of one image.
	Captions []Caption
}

// An Image has an id of its own and what a model reads of it.
type Image struct {
	ID    string
	Input aladin.Input
}

// A Caption belongs to an image by its place among them.
type Caption struct {
	Image int
	Text  string
}

// features are what the towers make of data, in an index file.
type features struct {
	ix       *index.Index
	images   []string // ids of those that could be encoded
	captions []caption
	of       [][]int // captions of each image
}

type caption struct {
	id    string
	image int // among the images that could be encoded
}

func captionID(c int) string { return fmt.Sprintf("caption %d", c) }

// openFeatures encodes data with a model, or takes what an earlier run left in the file.
func openFeatures(ctx context.Context, path string, m *aladin.Model, d *Data, progress func(done, total int)) (_ *features, err error) {
	ix, err := index.Open(path, &index.Options{Model: m.Fingerprint()})
	if err == nil {
		f, complete, err := newFeatures(ctx, ix, d)
		if err != nil || complete {
			return f, err
		}
		if err := ix.Close(); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, index.ErrModelMismatch) {
		return nil, fmt.Errorf("%w (delete the file to encode the data again)", err)
	}
	if err := encodeAll(ctx, path, m, d, progress); err != nil {
		return nil, err
	}
	if ix, err = index.Open(path, nil); err != nil {
		return nil, err
	}
	f, _, err := newFeatures(ctx, ix, d)
	return f, err
}

// encodeAll writes the index.
func encodeAll(ctx context.Context, path string, m *aladin.Model, d *Data, progress func(done, total int)) (err error) {
	b, err := index.NewBuilder(path, &index.BuildOptions{Model: m.Fingerprint(), Match: index.F32, Regions: index.F16, Duplicates: index.SkipDuplicate})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	total := len(d.Images) + len(d.Captions)
	inputs := func(yield func(aladin.Input) bool) {
		for _, i := range d.Images {
			if !yield(i.Input) {
				return
			}
		}
		for _, c := range d.Captions {
			if !yield(aladin.Text(c.Text)) {
				return
			}
		}
	}
	k := -1
	for enc, err := range m.EncodeSeq(ctx, iter.Seq[aladin.Input](inputs)) {
		k++
		var bad *aladin.InputError
		if errors.As(err, &bad) {
			continue // a photo that cannot be read, or an empty caption: it is not there
		}
		if err != nil {
			return err
		}
		item := index.Item{Encoding: enc}
		if k < len(d.Images) {
			item.ID = d.Images[k].ID
		} else {
			item.ID = captionID(k - len(d.Images))
		}
		if err := b.Add(ctx, item); err != nil {
			return err
		}
		progress(k+1, total)
	}
	return b.Finish(ctx)
}

// newFeatures lists what of the data is in an index. It is complete when at least all captions are that can be.
func newFeatures(ctx context.Context, ix *index.Index, d *Data) (*features, bool, error) {
	there := map[string]bool{}
	for id, err := range ix.IDs(ctx) {
		if err != nil {
			return nil, false, errors.Join(err, ix.Close())
		}
		there[id] = true
	}
	f := &features{ix: ix}
	place := make([]int, len(d.Images))
	for i, im := range d.Images {
		if place[i] = -1; there[im.ID] {
			place[i] = len(f.images)
			f.images = append(f.images, im.ID)
		}
	}
	f.of = make([][]int, len(f.images))
	missing := 0
	for c, cap := range d.Captions {
		id := captionID(c)
		if !there[id] {
			missing++
		}
		if i := place[cap.Image]; i >= 0 && there[id] {
			f.of[i] = append(f.of[i], len(f.captions))
			f.captions = append(f.captions, caption{id, i})
		}
	}
	complete := missing <= len(d.Captions)/10 && len(f.images) >= len(d.Images)-len(d.Images)/10 && ix.Len() <= len(d.Images)+len(d.Captions)
	return f, complete, nil
}

func (f *features) close() error { return f.ix.Close() }

// item is the encoding of an item.
func (f *features) item(ctx context.Context, id string) (*index.Encoding, error) {
	it, err := f.ix.Item(ctx, id)
	if err != nil {
		return nil, err
	}
	return it.Encoding, nil
}

// split puts every tenth image aside.
func (f *features) split() (train, val *features) {
	const every = 10
	parts := [2]*features{{ix: f.ix}, {ix: f.ix}}
	for i, id := range f.images {
		p := parts[0]
		if i%every == every-1 {
			p = parts[1]
		}
		n := len(p.images)
		p.images, p.of = append(p.images, id), append(p.of, nil)
		for _, c := range f.of[i] {
			p.of[n] = append(p.of[n], len(p.captions))
			p.captions = append(p.captions, caption{f.captions[c].id, n})
		}
	}
	return parts[0], parts[1]
}

// first keeps so many images.
func (f *features) first(n int) *features {
	if len(f.images) <= n {
		return f
	}
	out := &features{ix: f.ix, images: f.images[:n], of: make([][]int, n)}
	for i := range n {
		for _, c := range f.of[i] {
			out.of[i] = append(out.of[i], len(out.captions))
			out.captions = append(out.captions, caption{f.captions[c].id, i})
		}
	}
	return out
}

// longest is how many words most captions have at most, and how many cells a picture has.
func (f *features) sizes(ctx context.Context, most int) (words, cells int, err error) {
	var lengths []int
	for i := 0; i < len(f.captions); i += max(1, len(f.captions)/500) {
		e, err := f.item(ctx, f.captions[i].id)
		if err != nil {
			return 0, 0, err
		}
		lengths = append(lengths, e.N())
	}
	e, err := f.item(ctx, f.images[0])
	if err != nil {
		return 0, 0, err
	}
	slices.Sort(lengths)
	return min(most, max(1, lengths[len(lengths)*99/100])), e.N(), nil
}

// featuresFile is the name of the cache in a run's folder.
func featuresFile(dir, part string) string { return filepath.Join(dir, part+".features.aladin") }
