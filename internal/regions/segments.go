package regions

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/segments"
)

// Segments is the Extractor of kind "segments". See [SegmentConfig].
type Segments struct {
	cfg *Config
	std *Standardisation
}

// NewSegments makes the extractor; dir holds the file of cfg.Standardise, if any.
func NewSegments(cfg *Config, dir string) (*Segments, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	full := cfg.full()
	if full.Kind != kindSegments {
		return nil, fmt.Errorf("%w: kind: %q is not %q", ErrConfig, full.Kind, kindSegments)
	}
	x := &Segments{cfg: full}
	var err error
	x.std, err = openStandardisation(full, dir, segments.Dim)
	return x, err
}

// Dim implements Extractor.
func (x *Segments) Dim() int {
	if x.cfg.BoxNumbers {
		return segments.Dim + boxNumbers
	}
	return segments.Dim
}

// Config implements Extractor.
func (x *Segments) Config() *Config { return x.cfg }

// Close implements Extractor.
func (x *Segments) Close() error { return nil }

// Load implements Extractor.
func (x *Segments) Load() picture.Load {
	return picture.Load{Group: 1, Workers: runtime.GOMAXPROCS(0), Detail: x.cfg.Segments.Size}
}

// Extract implements Extractor.
func (x *Segments) Extract(ctx context.Context, pics []*picture.Picture, views ...View) ([]*region.Set, error) {
	all, err := viewsOf(pics, views)
	if err != nil {
		return nil, err
	}
	return eachView(ctx, all, x.regions)
}

func (x *Segments) regions(v view) *region.Set {
	set := v.emptySet(x.Dim())
	scale := float64(x.cfg.Segments.Size) / max(v.w(), v.h())
	w, h := max(int(math.Round(v.w()*scale)), 1), max(int(math.Round(v.h()*scale)), 1)
	p := &segments.Picture{W: w, H: h, Planes: make([]float32, 3*w*h)}
	v.sample(p.Planes, w, h, box64{0, 0, 1, 1}, picture.Bilinear)
	segments.Extract(set, p, x.cfg.Segments.Keep)
	for i, b := range set.Boxes {
		row := set.Row(i)
		x.std.apply(row)
		if x.cfg.BoxNumbers {
			putBoxNumbers(row[segments.Dim:], b)
		}
	}
	return set
}
