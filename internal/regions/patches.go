package regions

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// Patches is the Extractor of kind "patches". See [PatchConfig].
type Patches struct {
	cfg     *Config
	p       PatchConfig
	std     *Standardisation
	scratch sync.Pool // *[]float32 of 3·Size² values
}

// NewPatches makes the extractor; dir holds the file of cfg.Standardise, if any.
func NewPatches(cfg *Config, dir string) (*Patches, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	full := cfg.full()
	if full.Kind != kindPatches {
		return nil, fmt.Errorf("%w: kind: %q is not %q", ErrConfig, full.Kind, kindPatches)
	}
	x := &Patches{cfg: full, p: *full.Patches}
	x.scratch.New = func() any {
		b := make([]float32, 3*x.p.Size*x.p.Size)
		return &b
	}
	var err error
	if x.std, err = openStandardisation(full, dir, x.pixels()); err != nil {
		return nil, err
	}
	return x, nil
}

// pixels is the number of features without box numbers.
func (x *Patches) pixels() int { return 3 * x.p.Patch * x.p.Patch }

// Dim implements Extractor.
func (x *Patches) Dim() int {
	if x.cfg.BoxNumbers {
		return x.pixels() + boxNumbers
	}
	return x.pixels()
}

// Config implements Extractor.
func (x *Patches) Config() *Config { return x.cfg }

// Load implements Extractor.
func (x *Patches) Load() picture.Load {
	return picture.Load{Group: 1, Workers: runtime.GOMAXPROCS(0), Detail: x.p.Size}
}

// Close implements Extractor.
func (x *Patches) Close() error { return nil }

// Extract implements Extractor.
func (x *Patches) Extract(ctx context.Context, pics []*picture.Picture, views ...View) ([]*region.Set, error) {
	all, err := viewsOf(pics, views)
	if err != nil {
		return nil, err
	}
	return eachView(ctx, all, x.regions)
}

func (x *Patches) regions(v view) *region.Set {
	g, dim := x.p.Grid(), x.Dim()
	set := v.emptySet(dim)
	set.Boxes = make([]region.Box, 1, 1+g*g)
	set.Features = make([]float32, (1+g*g)*dim)
	buf := x.scratch.Get().(*[]float32)
	defer x.scratch.Put(buf)

	set.Boxes[0] = region.Box{0, 0, 1, 1}
	whole := (*buf)[:x.pixels()]
	x.resize(whole, v, x.p.Patch)
	x.cut(set.Row(0), whole, x.p.Patch, 0, 0)

	f := x.resize(*buf, v, x.p.Size)
	for i := range g * g {
		px, py := i%g*x.p.Stride, i/g*x.p.Stride
		set.Boxes = append(set.Boxes, f.toView(region.Box{float32(px), float32(py), float32(px + x.p.Patch), float32(py + x.p.Patch)}))
		x.cut(set.Row(1+i), *buf, x.p.Size, px, py)
	}
	for i, b := range set.Boxes {
		row := set.Row(i)
		x.std.apply(row)
		if x.cfg.BoxNumbers {
			putBoxNumbers(row[x.pixels():], b)
		}
	}
	return set
}

// resize fits the view into size×size planes.
func (x *Patches) resize(dst []float32, v view, size int) frame {
	f := x.p.Resize.frame(v.w(), v.h(), size, size)
	x.p.Resize.draw(dst, v, f)
	return f
}

// cut writes the patch at px, py of size×size planes to row, pixel by picture.
func (x *Patches) cut(row, planes []float32, size, px, py int) {
	p := x.p.Patch
	for c := range 3 {
		plane := planes[c*size*size:]
		var mean float32
		if x.p.RemoveMean {
			for y := range p {
				for _, v := range plane[(py+y)*size+px:][:p] {
					mean += v
				}
			}
			mean /= float32(p * p)
			mean -= 127.5 // the values below keep their spread and lose their mean
		}
		at := c
		for y := range p {
			for _, v := range plane[(py+y)*size+px:][:p] {
				row[at] = (v-mean)/127.5 - 1
				at += 3
			}
		}
	}
}

// draw samples the view into planes of f's size, padded where the view does not reach.
func (r *ResizeConfig) draw(dst []float32, v view, f frame) {
	if f.dw == f.w && f.dh == f.h {
		v.sample(dst, f.w, f.h, f.src, r.filter())
		return
	}
	small := make([]float32, 3*f.dw*f.dh)
	v.sample(small, f.dw, f.dh, f.src, r.filter())
	pad := float32(*r.Pad)
	for i := range dst[:3*f.w*f.h] {
		dst[i] = pad
	}
	for c := range 3 {
		for y := range f.dh {
			copy(dst[c*f.w*f.h+(f.y+y)*f.w+f.x:], small[(c*f.dh+y)*f.dw:][:f.dw])
		}
	}
}
