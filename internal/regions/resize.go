package regions

import (
	"math"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// A ResizeConfig says how a picture gets into an input of another shape.
type ResizeConfig struct {
	// Mode is "stretch" (the default; sides change independently), "crop" (the largest part of the input's
	// shape, from the middle) or "letterbox" (the whole picture, the rest of the input padded).
	Mode string `json:"mode,omitempty"`
	// Filter is "bicubic" (the default) or "bilinear"; both are antialiased.
	Filter string `json:"filter,omitempty"`
	// Pad is the grey (0…255) beside a letterboxed picture. Default: 114.
	Pad *float64 `json:"pad,omitempty"`
	// Align is where a letterboxed picture lies: "centre" (the default) or "topleft".
	Align string `json:"align,omitempty"`
	// CropFraction, 0…1, is the share of the sides that "crop" keeps: 0.875 is the usual "resize to
	// 256, crop 224". Default: 1.
	CropFraction float64 `json:"crop_fraction,omitempty"`
}

func (r *ResizeConfig) fill() {
	r.Mode = orElse(r.Mode, resizeStretch)
	r.Filter = orElse(r.Filter, filterBicubic)
	r.Align = orElse(r.Align, alignCentre)
	r.CropFraction = orElse(r.CropFraction, 1)
	if r.Pad == nil {
		grey := 114.0
		r.Pad = &grey
	}
}

func (r *ResizeConfig) filter() picture.Filter {
	if r.Filter == filterBilinear {
		return picture.Bilinear
	}
	return picture.Bicubic
}

// A frame is how a view lies in an input of w×h pixels: the part src of the view (fractions) fills
// the rectangle x, y, dw, dh of the input.
type frame struct {
	src          box64
	x, y, dw, dh int
	w, h         int
}

type box64 struct{ x0, y0, x1, y1 float64 }

// frame is for a view of vw×vh pixels.
func (r *ResizeConfig) frame(vw, vh float64, w, h int) frame {
	f := frame{src: box64{0, 0, 1, 1}, dw: w, dh: h, w: w, h: h}
	switch r.Mode {
	case resizeCrop:
		scale := min(vw/float64(w), vh/float64(h)) * r.CropFraction // view pixels an input pixel
		cw, ch := scale*float64(w)/vw/2, scale*float64(h)/vh/2
		f.src = box64{0.5 - cw, 0.5 - ch, 0.5 + cw, 0.5 + ch}
	case resizeLetterbox:
		scale := min(float64(w)/vw, float64(h)/vh)
		// A thousandth lets a side that should fit exactly do so in spite of rounding.
		f.dw = min(max(int(math.Floor(vw*scale+1e-3)), 1), w)
		f.dh = min(max(int(math.Floor(vh*scale+1e-3)), 1), h)
		if r.Align == alignCentre {
			f.x, f.y = (w-f.dw)/2, (h-f.dh)/2
		}
	}
	return f
}

// visible is the part of the view that the input shows.
func (f frame) visible() region.Box {
	return region.Box{float32(f.src.x0), float32(f.src.y0), float32(f.src.x1), float32(f.src.y1)}
}

// toInput maps a box of the view to fractions of the input.
func (f frame) toInput(b region.Box) box64 {
	x := func(v float32) float64 {
		return (float64(f.x) + (float64(v)-f.src.x0)/(f.src.x1-f.src.x0)*float64(f.dw)) / float64(f.w)
	}
	y := func(v float32) float64 {
		return (float64(f.y) + (float64(v)-f.src.y0)/(f.src.y1-f.src.y0)*float64(f.dh)) / float64(f.h)
	}
	return box64{x(b[0]), y(b[1]), x(b[2]), y(b[3])}
}

// toView maps a box in pixels of the input to the view, cut at its edges.
func (f frame) toView(b region.Box) region.Box {
	x := func(v float32) float32 {
		return unit(f.src.x0 + (float64(v)-float64(f.x))/float64(f.dw)*(f.src.x1-f.src.x0))
	}
	y := func(v float32) float32 {
		return unit(f.src.y0 + (float64(v)-float64(f.y))/float64(f.dh)*(f.src.y1-f.src.y0))
	}
	return region.Box{x(b[0]), y(b[1]), x(b[2]), y(b[3])}
}

func unit(v float64) float32 { return float32(min(max(v, 0), 1)) }
