package chart

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// scale is the pixels of a unit.
const scale = 2

// palette is the light one of Style, after that of Okabe and Ito, which colour-blind people can tell apart.
var palette = [colours]color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{184, 134, 11, 255}, {47, 159, 216, 255}, {106, 90, 205, 255}, {122, 122, 122, 255},
}

var (
	gridColour = color.RGBA{237, 240, 244, 255}
	softColour = color.RGBA{92, 104, 120, 255}
	inkColour  = color.RGBA{27, 35, 48, 255}
)

// WritePNG writes the charts side by side as a picture.
func WritePNG(w io.Writer, charts ...*Chart) error {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return err
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: 11.5 * scale, DPI: 72})
	if err != nil {
		return err
	}
	defer face.Close()
	r := &raster{img: image.NewRGBA(image.Rect(0, 0, len(charts)*width*scale, (height+titled)*scale)), face: face}
	draw.Draw(r.img, r.img.Bounds(), image.White, image.Point{}, draw.Src)
	for k, c := range charts {
		r.x0 = float64(k * width)
		c.draw(r)
	}
	return png.Encode(w, r.img)
}

// raster is the canvas of a picture.
type raster struct {
	img  *image.RGBA
	face font.Face
	x0   float64
}

// at is a point in pixels.
func (r *raster) at(p [2]float64) (x, y float64) {
	return (r.x0 + p[0]) * scale, (titled + p[1]) * scale
}

func (r *raster) line(class string, colour int, points [][2]float64) {
	thick, c, on, off := 1.0, gridColour, math.Inf(1), 0.0
	switch class {
	case "line":
		thick, c = 2, palette[max(0, colour)%colours]
	case "line dashed":
		thick, c, on, off = 2, palette[max(0, colour)%colours], 6, 4
	case "path":
		c, on, off = color.RGBA{190, 190, 190, 255}, 4, 4
	case "interval":
		thick, c = 1.5, softColour
	}
	travelled := 0.0
	for k := 1; k < len(points); k++ {
		a, b := points[k-1], points[k]
		length := math.Hypot(b[0]-a[0], b[1]-a[1])
		for from := 0.0; from < length; {
			phase := math.Mod(travelled+from, on+off)
			to := min(length, from+on-phase)
			if phase < on {
				r.segment(between(a, b, from/length), between(a, b, to/length), thick, c)
			} else {
				to = min(length, from+on+off-phase)
			}
			from = to
		}
		travelled += length
	}
}

func between(a, b [2]float64, share float64) [2]float64 {
	return [2]float64{a[0] + share*(b[0]-a[0]), a[1] + share*(b[1]-a[1])}
}

// segment fills a thin rectangle.
func (r *raster) segment(a, b [2]float64, thick float64, c color.Color) {
	ax, ay := r.at(a)
	bx, by := r.at(b)
	length := math.Hypot(bx-ax, by-ay)
	if length == 0 {
		return
	}
	nx, ny := (by-ay)/length*thick*scale/2, (ax-bx)/length*thick*scale/2
	r.fill(c, [][2]float64{{ax + nx, ay + ny}, {bx + nx, by + ny}, {bx - nx, by - ny}, {ax - nx, ay - ny}})
}

// fill fills a polygon, given in pixels.
func (r *raster) fill(c color.Color, points [][2]float64) {
	low, high := points[0], points[0]
	for _, p := range points {
		low, high = [2]float64{min(low[0], p[0]), min(low[1], p[1])}, [2]float64{max(high[0], p[0]), max(high[1], p[1])}
	}
	box := image.Rect(int(math.Floor(low[0])), int(math.Floor(low[1])), int(math.Ceil(high[0])), int(math.Ceil(high[1])))
	v := vector.NewRasterizer(box.Dx(), box.Dy())
	for k, p := range points {
		x, y := float32(p[0]-float64(box.Min.X)), float32(p[1]-float64(box.Min.Y))
		if k == 0 {
			v.MoveTo(x, y)
		} else {
			v.LineTo(x, y)
		}
	}
	v.ClosePath()
	v.Draw(r.img, box, image.NewUniform(c), image.Point{})
}

func (r *raster) dot(colour int, x, y float64, _ string) {
	px, py := r.at([2]float64{x, y})
	var circle [][2]float64
	for k := range 32 {
		sin, cos := math.Sincos(2 * math.Pi * float64(k) / 32)
		circle = append(circle, [2]float64{px + 5*scale*cos, py + 5*scale*sin})
	}
	r.fill(palette[colour%colours], circle)
}

func (r *raster) text(class string, x, y float64, anchor, text string) {
	d := font.Drawer{Dst: r.img, Src: image.NewUniform(softColour), Face: r.face}
	if strings.HasPrefix(class, "label") {
		d.Src = image.NewUniform(inkColour)
	}
	px, py := r.at([2]float64{x, y})
	back := map[string]float64{middle: .5, end: 1}[anchor]
	d.Dot = fixed.Point26_6{X: fixed.Int26_6(px*64 - back*float64(d.MeasureString(text))), Y: fixed.Int26_6(py * 64)}
	d.DrawString(text)
}
