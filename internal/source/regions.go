package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/regions"
)

// Extracted is the regions of one item, or why there are none.
type Extracted struct {
	Item int
	Sets []*region.Set // one a view
	Note string        // what is missing of a damaged picture that is good enough
	Skip *Skip         // not nil: the item is bad, and Sets is nil
}

// groupItems is how many items go to regions.Make at a time. Their sets are in memory together.
const groupItems = 16

// Regions makes the regions of the items of s in order. A group is made while the one before is consumed, with a bounded
// number in memory. A precomputed source needs no extractor. views are what is looked at in each picture; nil is the whole
// picture.
//
// An error ends the sequence. Breaking out of it is allowed and leaves nothing behind.
func Regions(ctx context.Context, s *Source, x regions.Extractor, views []regions.View) iter.Seq2[Extracted, error] {
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
		done := make(chan []Extracted)
		g.Go(func() error {
			defer close(done)
			for at := 0; at < len(s.Items); at += groupItems {
				out, err := s.extract(ctx, x, at, min(at+groupItems, len(s.Items)), views)
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
			for range done { // until the other goroutine has ended
			}
		}
		if err := g.Wait(); err != nil && going {
			yield(Extracted{}, err)
		}
	}
}

// extract makes the regions of items from…to−1.
func (s *Source) extract(ctx context.Context, x regions.Extractor, from, to int, views []regions.View) ([]Extracted, error) {
	what := "photo"
	in := make([]regions.Input, to-from)
	for k := range in {
		if s.Precomputed() {
			what = "features"
			in[k].Set = func() (*region.Set, error) { return s.Set(from + k) }
		} else {
			in[k].Open = func(o *picture.Options) (*picture.File, error) { return s.Open(from+k, o) }
		}
	}
	made, err := regions.Make(ctx, x, in, views, nil)
	if err != nil {
		return nil, err
	}
	out := make([]Extracted, len(made))
	for k, m := range made {
		if m.Err != nil && !badItem(m.Err) {
			return nil, m.Err
		}
		out[k] = Extracted{Item: from + k, Sets: m.Sets, Note: m.Note, Skip: s.skip(from+k, what, m.Err)}
	}
	return out, nil
}

func (s *Source) skip(i int, what string, err error) *Skip {
	if err == nil {
		return nil
	}
	return &Skip{What: what, ID: s.Items[i].ID, Name: fmt.Sprintf("%q", s.Items[i].ID), Err: err}
}

// badItem says whether an error concerns one item only.
func badItem(err error) bool {
	var path *fs.PathError
	return picture.Unusable(err) || badRow(err) || errors.Is(err, region.ErrInvalid) || errors.Is(err, regions.ErrNone) || errors.As(err, &path)
}
