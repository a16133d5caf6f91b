package regions

import (
	"image"
	"math"

	"github.com/aladin-go/aladin/internal/picture"
)

// shrunk are the pictures with no side finer than Config.ShorterSide allows, in place of those that are.
func (x *ONNX) shrunk(pics []*picture.Picture) ([]*picture.Picture, error) {
	most := x.cfg.ShorterSide
	if most == 0 {
		return pics, nil
	}
	out := make([]*picture.Picture, len(pics))
	for i, p := range pics {
		out[i] = p
		if min(p.W, p.H) <= most {
			continue
		}
		scale := float64(most) / float64(min(p.W, p.H))
		side := func(n int) int { return max(1, int(math.Round(float64(n)*scale))) }
		w, h := side(p.W), side(p.H)
		planes := make([]float32, 3*w*h)
		p.Sample(planes, w, h, p.Bounds(), false, picture.Bicubic)
		img := image.NewNRGBA(image.Rect(0, 0, w, h))
		for k := range w * h {
			for c := range 3 {
				img.Pix[4*k+c] = uint8(min(max(planes[c*w*h+k], 0), 255) + 0.5)
			}
			img.Pix[4*k+3] = 255
		}
		small, err := picture.New(img)
		if err != nil {
			return nil, err
		}
		out[i] = small
	}
	return out, nil
}
