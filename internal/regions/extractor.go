package regions

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// An Extractor makes regions of pictures. It is safe for concurrent use.
type Extractor interface {
	// Extract makes a set for each picture, in order; with views one for each view of each, as if the
	// view were a picture of its own.
	Extract(ctx context.Context, pics []*picture.Picture, views ...View) ([]*region.Set, error)
	// Load is how the extractor likes to be fed.
	Load() picture.Load
	// Dim is the number of features a region.
	Dim() int
	// Config is the configuration with all defaults filled in; it must not be changed.
	Config() *Config
	// Close frees the models. Calls that are running end first.
	Close() error
}

// Open makes the Extractor that cfg describes. Its files lie in dir; opts (may be nil) is for the ONNX
// kind: Threads is how many pictures are worked on at a time on a CPU.
func Open(cfg *Config, dir string, opts *ort.Options) (Extractor, error) {
	if cfg == nil {
		return nil, fmt.Errorf("%w: there is none", ErrConfig)
	}
	switch cfg.Kind {
	case kindONNX:
		return NewONNX(cfg, dir, opts)
	case kindSegments:
		return NewSegments(cfg, dir)
	}
	return NewPatches(cfg, dir)
}

// eachView makes the regions of views side by side.
func eachView(ctx context.Context, views []view, regions func(view) *region.Set) ([]*region.Set, error) {
	out := make([]*region.Set, len(views))
	err := each(ctx, len(views), 0, func(_ context.Context, i int) error {
		out[i] = regions(views[i])
		views[i] = view{} // what was made of the picture is no longer needed
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// each calls fn for 0…n−1 on several goroutines and stops at the first error.
func each(ctx context.Context, n, workers int, fn func(ctx context.Context, i int) error) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(workers, n) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := fn(ctx, i); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// boxNumbers are the six that VinVL appends to the features of a region.
const boxNumbers = 6

func putBoxNumbers(dst []float32, b region.Box) {
	copy(dst, []float32{b[0], b[1], b[2], b[3], region.Height(b), region.Width(b)})
}
