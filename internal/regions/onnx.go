package regions

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"runtime"
	"slices"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// ONNX is the Extractor of kind "onnx": regions from the user's own models. See [Config].
type ONNX struct {
	cfg      *Config
	models   []*model
	detector *model             // nil if there is none
	seers    []*model           // those with feature maps
	maps     []FeatureMapConfig // of all models
	dims     []int              // features of each of maps
	dim      int                // of all, without box numbers
	std      *Standardisation
	workers  int
}

// NewONNX opens the models of cfg, which lie in dir, and tries them on an empty picture, so that whatever
// does not fit is known here.
func NewONNX(cfg *Config, dir string, opts *ort.Options) (_ *ONNX, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	x := &ONNX{cfg: cfg.full(), workers: runtime.GOMAXPROCS(0)}
	if x.cfg.Kind != kindONNX {
		return nil, fmt.Errorf("%w: kind: %q is not %q", ErrConfig, x.cfg.Kind, kindONNX)
	}
	if opts != nil && opts.Threads > 0 {
		x.workers = opts.Threads
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, x.Close())
		}
	}()
	for i := range x.cfg.Models {
		m, err := openModel(&x.cfg.Models[i], dir, x.cfg.Regions.Flip, opts)
		if err != nil {
			return nil, err
		}
		x.models = append(x.models, m)
		if m.cfg.Boxes != nil {
			x.detector = m
		}
		if m.cfg.FeatureMaps != nil {
			x.seers = append(x.seers, m)
			x.maps = append(x.maps, m.cfg.FeatureMaps...)
		}
	}
	if err := x.try(); err != nil {
		return nil, err
	}
	if x.std, err = openStandardisation(x.cfg, dir, x.dim); err != nil {
		return nil, err
	}
	return x, nil
}

// try runs every model once and learns the number of features.
func (x *ONNX) try() error {
	empty, err := picture.New(image.NewGray(image.Rect(0, 0, 32, 32)))
	if err != nil {
		return err
	}
	views, err := viewsOf([]*picture.Picture{empty}, nil)
	if err != nil {
		return err
	}
	sights, err := x.look(context.Background(), x.models, views)
	if err != nil {
		for _, m := range x.models {
			if m.resized {
				return fmt.Errorf("%w: %s does not take pictures of %v, which is another size than it states: %w", ErrModel, m.cfg.File, m.cfg.Size, err)
			}
		}
		return err
	}
	for i := range x.maps {
		x.dims = append(x.dims, sights[0].maps[i].dim)
		x.dim += x.dims[i]
	}
	return nil
}

// Dim implements Extractor.
func (x *ONNX) Dim() int {
	if x.cfg.BoxNumbers {
		return x.dim + boxNumbers
	}
	return x.dim
}

// Config implements Extractor.
func (x *ONNX) Config() *Config { return x.cfg }

// Load implements Extractor.
func (x *ONNX) Load() picture.Load {
	l := picture.Load{Group: 1, Workers: x.workers}
	for _, m := range x.models {
		l.Group = max(l.Group, m.batch)
		l.Detail = max(l.Detail, m.h, m.w)
	}
	if x.cfg.Regions.Boxes == boxesCrop {
		l.Detail = 0 // small objects are looked at as closely as the picture allows
	}
	return l
}

// Close implements Extractor.
func (x *ONNX) Close() error {
	var errs []error
	for _, m := range x.models {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// Extract implements Extractor.
func (x *ONNX) Extract(ctx context.Context, pics []*picture.Picture, views ...View) ([]*region.Set, error) {
	small, err := x.shrunk(pics)
	if err != nil {
		return nil, err
	}
	all, err := viewsOf(small, views)
	if err != nil {
		return nil, err
	}
	sizes, err := viewsOf(pics, views)
	if err != nil {
		return nil, err
	}
	sets, err := x.extract(ctx, all)
	for i, s := range sets {
		s.Width, s.Height = int(math.Round(sizes[i].w())), int(math.Round(sizes[i].h()))
	}
	return sets, err
}

// extract works on several chunks of views at a time, so that some are prepared while others run.
func (x *ONNX) extract(ctx context.Context, views []view) ([]*region.Set, error) {
	chunks := slices.Collect(slices.Chunk(views, x.Load().Group))
	out := make([][]*region.Set, len(chunks))
	err := each(ctx, len(chunks), x.workers, func(ctx context.Context, i int) (err error) {
		out[i], err = x.chunk(ctx, chunks[i])
		clear(chunks[i]) // what was made of the pictures is no longer needed
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(out...), nil
}

// chunk makes the sets of a few views.
func (x *ONNX) chunk(ctx context.Context, views []view) ([]*region.Set, error) {
	sights, err := x.look(ctx, x.models, views)
	if err != nil {
		return nil, err
	}
	if x.cfg.Regions.Boxes == boxesCrop {
		var crops []view
		for i, s := range sights {
			for _, o := range s.objects {
				crops = append(crops, views[i].crop(o.box, x.cfg.Regions.CropMargin))
			}
		}
		seen, err := x.look(ctx, x.seers, crops)
		if err != nil {
			return nil, err
		}
		for i := range sights {
			n := len(sights[i].objects)
			sights[i].crops, seen = seen[:n], seen[n:]
		}
	}
	out := make([]*region.Set, len(views))
	for i, v := range views {
		if out[i], err = x.set(v, &sights[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
