package vision

import (
	"image"
	"image/draw"
)

// orient undoes EXIF orientation o (1…8) of a flattened image.
func orient(img image.Image, o int) image.Image {
	if o <= 1 || o > 8 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	r := image.Rect(0, 0, w, h)
	if o >= 5 { // a quarter turn
		r = image.Rect(0, 0, h, w)
	}
	switch m := img.(type) {
	case *image.Gray:
		out := image.NewGray(r)
		turn(out.Pix, m.Pix, m.Stride, w, h, 1, o)
		return out
	case *image.YCbCr:
		ratio, cw, ch, ok := turnedChroma(m.SubsampleRatio, w, h, o)
		if !ok {
			break
		}
		out := image.NewYCbCr(r, ratio)
		turn(out.Y, m.Y, m.YStride, w, h, 1, o)
		turn(out.Cb, m.Cb, m.CStride, cw, ch, 1, o)
		turn(out.Cr, m.Cr, m.CStride, cw, ch, 1, o)
		return out
	}
	m, ok := img.(*image.RGBA)
	if !ok {
		m = image.NewRGBA(image.Rect(0, 0, w, h))
		draw.Draw(m, m.Rect, img, image.Point{}, draw.Src)
	}
	out := image.NewRGBA(r)
	turn(out.Pix, m.Pix, m.Stride, w, h, 4, o)
	return out
}

// turnedChroma is the subsampling after orientation o and the size of the colour planes before it.
// Not ok: the turned picture has no such ratio, or its colour grid would start off its edge.
func turnedChroma(r image.YCbCrSubsampleRatio, w, h, o int) (turned image.YCbCrSubsampleRatio, cw, ch int, ok bool) {
	switch r {
	case image.YCbCrSubsampleRatio444:
		return r, w, h, true
	case image.YCbCrSubsampleRatio420:
		return r, w / 2, h / 2, w%2 == 0 && h%2 == 0
	case image.YCbCrSubsampleRatio422:
		if o >= 5 {
			r = image.YCbCrSubsampleRatio440
		}
		return r, w / 2, h, w%2 == 0
	case image.YCbCrSubsampleRatio440:
		if o >= 5 {
			r = image.YCbCrSubsampleRatio422
		}
		return r, w, h / 2, h%2 == 0
	}
	return r, 0, 0, false
}

// turn copies w×h pixels of size bytes from src to a densely packed dst, upright.
func turn(dst, src []uint8, stride, w, h, size, o int) {
	// The new pixel (x, y) is the old one at start + x·dx + y·dy.
	px, right, bottom := size, (w-1)*size, (h-1)*stride
	var start, dx, dy int
	switch o {
	case 2: // mirrored
		start, dx, dy = right, -px, stride
	case 3: // upside down
		start, dx, dy = right+bottom, -px, -stride
	case 4: // mirrored upside down
		start, dx, dy = bottom, px, -stride
	case 5: // transposed
		start, dx, dy = 0, stride, px
	case 6: // to be turned right
		start, dx, dy = bottom, -stride, px
	case 7: // transposed along the other diagonal
		start, dx, dy = right+bottom, -stride, -px
	case 8: // to be turned left
		start, dx, dy = right, stride, -px
	}
	if o >= 5 {
		w, h = h, w
	}
	for y := range h {
		at := start + y*dy
		row := dst[y*w*size : (y+1)*w*size]
		for ; len(row) > 0; row = row[size:] {
			copy(row[:size], src[at:at+size])
			at += dx
		}
	}
}
