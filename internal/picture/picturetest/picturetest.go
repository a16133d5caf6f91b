// Package picturetest makes pictures for tests.
package picturetest

import (
	"image"
	"image/color"
)

// Quarters is a picture whose four corners differ: red, green / blue, white.
func Quarters(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, [4]color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 255, 255}}[x*2/w+y*2/h*2])
		}
	}
	return m
}
