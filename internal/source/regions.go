package source

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"iter"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/vision"
)

// Extracted is the regions of one item, or why there are none.
type Extracted struct {
	Item int
	Sets []*region.Set // one a view
	Skip *Skip         // not nil: the item is bad, and Sets is nil
}

// Groups of pictures go through the extractor together: as many as a GPU likes, but not more pixels than
// memory does (large photos of 24 million pixels then come two at a time).
const (
	groupItems  = 16
	groupPixels = 40_000_000
)

// Regions makes the regions of items from, from+1, … of s in order. Pictures are decoded, regions extracted
// and results consumed side by side, with a bounded number in memory. A precomputed source needs no
// extractor. views are what is looked at in each picture; nil is the whole picture.
//
// An error ends the sequence. Breaking out of it is allowed and leaves nothing behind.
func Regions(ctx context.Context, s *Source, x vision.Extractor, from int, views []vision.View) iter.Seq2[Extracted, error] {
	return func(yield func(Extracted, error) bool) {
		if s.Precomputed() && len(views) > 1 {
			yield(Extracted{}, fmt.Errorf("%w: they cannot be cropped or mirrored", ErrNoPixels))
			return
		}
		if !s.Precomputed() && x == nil {
			yield(Extracted{}, fmt.Errorf("%w, and nothing is given to extract them", ErrNoRegions))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		g, ctx := errgroup.WithContext(ctx)
		loaded, done := make(chan []loadedItem), make(chan []Extracted)
		g.Go(func() error {
			defer close(loaded)
			return s.load(ctx, from, loaded)
		})
		g.Go(func() error {
			defer close(done)
			for group := range loaded {
				out, err := s.extract(ctx, x, group, views)
				if err != nil {
					return err
				}
				select {
				case done <- out:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		going := true
		for group := range done {
			for _, e := range group {
				if going = yield(e, nil); !going {
					break
				}
			}
			if !going {
				break
			}
		}
		cancel()
		if !going {
			for range done { // until both stages have ended
			}
		}
		if err := g.Wait(); err != nil && going {
			yield(Extracted{}, err)
		}
	}
}

// loadedItem is an item on its way to the extractor.
type loadedItem struct {
	item int
	img  image.Image
	set  *region.Set
	skip *Skip
}

// load reads items in order, several at a time, and sends them in groups.
func (s *Source) load(ctx context.Context, from int, out chan<- []loadedItem) error {
	wave := max(2, runtime.GOMAXPROCS(0))
	var group []loadedItem
	pixels := 0
	flush := func() error {
		if len(group) == 0 {
			return nil
		}
		select {
		case out <- group:
			group, pixels = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for at := from; at < len(s.Items); at += wave {
		batch := make([]loadedItem, min(wave, len(s.Items)-at))
		g, ctx := errgroup.WithContext(ctx)
		for k := range batch {
			g.Go(func() (err error) {
				if err := ctx.Err(); err != nil {
					return err
				}
				batch[k], err = s.loadOne(at + k)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, l := range batch {
			if l.img != nil {
				pixels += l.img.Bounds().Dx() * l.img.Bounds().Dy()
			}
			group = append(group, l)
			if len(group) == groupItems || pixels > groupPixels {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

func (s *Source) loadOne(i int) (loadedItem, error) {
	l := loadedItem{item: i}
	var err error
	if s.Precomputed() {
		if l.set, err = s.Set(i); err == nil || badRow(err) {
			l.skip = s.skip(i, "features", err)
			return l, nil
		}
		return l, err
	}
	if l.img, err = s.Image(i); err == nil || badPhoto(err) {
		l.skip = s.skip(i, "photo", err)
		return l, nil
	}
	return l, err
}

func (s *Source) skip(i int, what string, err error) *Skip {
	if err == nil {
		return nil
	}
	return &Skip{What: what, ID: s.Items[i].ID, Name: fmt.Sprintf("%q", s.Items[i].ID), Err: err}
}

// badPhoto says whether an error concerns one photo only.
func badPhoto(err error) bool {
	var path *fs.PathError
	return errors.Is(err, vision.ErrFormat) || errors.Is(err, vision.ErrTruncated) || errors.Is(err, vision.ErrTooLarge) ||
		errors.Is(err, region.ErrInvalid) || errors.As(err, &path)
}

// extract makes the regions of a group.
func (s *Source) extract(ctx context.Context, x vision.Extractor, group []loadedItem, views []vision.View) ([]Extracted, error) {
	out := make([]Extracted, len(group))
	var imgs []image.Image
	var at []int
	for k, l := range group {
		out[k] = Extracted{Item: l.item, Skip: l.skip}
		switch {
		case l.skip != nil:
		case l.set != nil:
			out[k].Sets = []*region.Set{l.set}
		default:
			imgs, at = append(imgs, l.img), append(at, k)
		}
	}
	if len(imgs) == 0 {
		return out, nil
	}
	if len(views) > 0 {
		for j, img := range imgs {
			sets, err := x.ExtractViews(ctx, img, views)
			if err != nil {
				return nil, err
			}
			out[at[j]].Sets = sets
		}
		return s.checked(out), nil
	}
	sets, err := x.Extract(ctx, imgs)
	if err != nil {
		return nil, err
	}
	for j, set := range sets {
		out[at[j]].Sets = []*region.Set{set}
	}
	return s.checked(out), nil
}

var errNothing = errors.New("the extractor found no regions")

// checked turns regions that no network could read into skips.
func (s *Source) checked(all []Extracted) []Extracted {
	for k := range all {
		e := &all[k]
		for _, set := range e.Sets {
			err := set.Validate()
			if err == nil && set.Len() == 0 {
				err = errNothing
			}
			if err != nil {
				e.Sets, e.Skip = nil, s.skip(e.Item, "photo", err)
				break
			}
		}
	}
	return all
}
