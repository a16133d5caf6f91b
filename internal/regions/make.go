package regions

import (
	"context"
	"errors"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// ErrNone is why a picture is left out in which the extractor finds nothing.
var ErrNone = errors.New("regions: the extractor found no regions")

// An Input is one picture on its way to its regions: Open opens it, or Set has them already.
type Input struct {
	Open func(*picture.Options) (*picture.File, error)
	Set  func() (*region.Set, error)
}

// A Result is what became of an Input.
type Result struct {
	Sets []*region.Set // one a view
	Note string        // what is missing of a damaged picture that was used all the same
	Err  error         // why there are no sets; the other inputs do not suffer
}

// Make makes the regions of pictures, in order: it decodes and extracts several side by side, and holds no
// more pixels than picture.Budget allows. views are what is looked at in each; nil is the whole. Only x may be
// nil, where all inputs have Sets. o bounds the pictures.
//
// The error is one that concerns more than one input, such as the end of ctx.
func Make(ctx context.Context, x Extractor, in []Input, views []View, o *picture.Options) ([]Result, error) {
	out := make([]Result, len(in))
	var pictures []int
	for i := range in {
		if in[i].Set == nil {
			pictures = append(pictures, i)
			continue
		}
		set, err := in[i].Set()
		out[i] = Result{Sets: []*region.Set{set}, Err: err}
	}
	open := make([]func(*picture.Options) (*picture.File, error), len(pictures))
	for k, i := range pictures {
		open[k] = in[i].Open
	}
	if len(open) > 0 {
		failed, err := picture.Each(ctx, open, o, x.Load(), func(ctx context.Context, pics []*picture.Picture, at []int) error {
			sets, err := x.Extract(ctx, pics, views...)
			if err != nil {
				return err
			}
			n := len(sets) / len(pics)
			for k, p := range pics {
				out[pictures[at[k]]] = Result{Sets: sets[k*n : (k+1)*n : (k+1)*n], Note: p.Note}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for k, err := range failed {
			out[pictures[k]].Err = err
		}
	}
	for i := range out {
		out[i].check()
	}
	return out, ctx.Err()
}

// check turns regions that no network could read into an error.
func (r *Result) check() {
	for _, set := range r.Sets {
		if r.Err != nil {
			break
		}
		if r.Err = ErrNone; set != nil && set.Len() > 0 {
			r.Err = set.Validate()
		}
	}
	if r.Err != nil {
		r.Sets = nil
	}
}
