package picture

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/draw"
)

// photo is smooth with some noise, as photographs are.
func photo(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(1, 2))
	for y := range h {
		for x := range w {
			wave := func(fx, fy, p float64) uint8 {
				return uint8(120 + 90*math.Sin(fx*float64(x)/float64(w)+fy*float64(y)/float64(h)+p) + 20*rng.Float64())
			}
			m.SetRGBA(x, y, color.RGBA{wave(9, 4, 0), wave(3, 11, 1), wave(7, 7, 2), 255})
		}
	}
	return m
}

func sample(s *Picture, w, h int, r Rect, flip bool, f Filter) []float32 {
	out := make([]float32, 3*w*h)
	s.Sample(out, w, h, r, flip, f)
	return out
}

func meanDifference(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += math.Abs(float64(a[i] - b[i]))
	}
	return sum / float64(len(a))
}

func planes(m image.Image) []float32 {
	b := m.Bounds()
	n := b.Dx() * b.Dy()
	out := make([]float32, 3*n)
	for i := range n {
		r, g, bl, _ := m.At(b.Min.X+i%b.Dx(), b.Min.Y+i/b.Dx()).RGBA()
		out[i], out[n+i], out[2*n+i] = float32(r>>8), float32(g>>8), float32(bl>>8)
	}
	return out
}

func TestSameSizeIsExact(t *testing.T) {
	m := photo(37, 23)
	s := turned(m, upright)
	for _, f := range []Filter{Bicubic, Bilinear} {
		require.Equal(t, planes(m), sample(s, 37, 23, s.Bounds(), false, f))
	}
	part := sample(s, 10, 7, Rect{4, 5, 14, 12}, false, Bicubic)
	require.Equal(t, planes(m.SubImage(image.Rect(4, 5, 14, 12))), part)
}

func TestFlipMirrors(t *testing.T) {
	s := turned(photo(50, 40), upright)
	for _, w := range []int{13, 14, 50, 77} {
		a, b := sample(s, w, 20, Rect{3, 2, 45, 39}, false, Bicubic), sample(s, w, 20, Rect{3, 2, 45, 39}, true, Bicubic)
		for i := range a {
			require.Equal(t, a[i], b[i/w*w+w-1-i%w])
		}
	}
}

// TestAgreesWithDraw compares with x/image/draw, which knows the same kernel, over shrinking and growing.
func TestAgreesWithDraw(t *testing.T) {
	m := photo(160, 120)
	s := turned(m, upright)
	for _, size := range []image.Point{{224, 224}, {160, 60}, {96, 96}, {41, 33}, {16, 16}, {3, 2}} {
		ref := image.NewRGBA(image.Rectangle{Max: size})
		draw.CatmullRom.Scale(ref, ref.Rect, m, m.Rect, draw.Src, nil)
		got := sample(s, size.X, size.Y, s.Bounds(), false, Bicubic)
		require.Less(t, meanDifference(planes(ref), got), 1.2, "%v", size)
	}
}

func TestConstantStaysConstant(t *testing.T) {
	m := image.NewRGBA(image.Rect(0, 0, 301, 97))
	draw.Draw(m, m.Rect, image.NewUniform(color.RGBA{200, 3, 77, 255}), image.Point{}, draw.Src)
	s := turned(m, upright)
	for _, size := range []image.Point{{1, 1}, {2, 97}, {50, 20}, {301, 97}, {640, 480}} {
		for _, f := range []Filter{Bicubic, Bilinear} {
			out := sample(s, size.X, size.Y, Rect{0.3, 0.2, 299.9, 96.5}, false, f)
			n := size.X * size.Y
			for i, v := range out {
				require.InDelta(t, []float32{200, 3, 77}[i/n], v, 1e-3)
			}
		}
	}
}

// TestYCbCr resizes planes apart and must come near to resizing what they show.
func TestYCbCr(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		for _, size := range []image.Point{{120, 90}, {121, 91}} {
			m := image.NewYCbCr(image.Rectangle{Max: size}, ratio)
			for y := range size.Y {
				for x := range size.X {
					fx, fy := float64(x)/120, float64(y)/90
					m.Y[m.YOffset(x, y)] = uint8(128 + 60*math.Sin(5*fx+2*fy))
					m.Cb[m.COffset(x, y)] = uint8(128 + 40*math.Sin(3*fx-4*fy))
					m.Cr[m.COffset(x, y)] = uint8(128 + 40*math.Cos(4*fx+fy))
				}
			}
			rgba := image.NewRGBA(m.Rect)
			draw.Draw(rgba, m.Rect, m, image.Point{}, draw.Src)
			for _, n := range []int{7, 30, 60, 150} {
				a, b := turned(m, upright), turned(rgba, upright)
				got := sample(a, n, n, a.Bounds(), false, Bicubic)
				want := sample(b, n, n, b.Bounds(), false, Bicubic)
				require.Less(t, meanDifference(got, want), 2.5, "%v %v to %d", ratio, size, n)
			}
		}
	}
}

func TestGreyAndOffset(t *testing.T) {
	g := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range g.Pix {
		g.Pix[i] = uint8(i)
	}
	s := turned(g, upright)
	require.Equal(t, planes(g), sample(s, 8, 8, s.Bounds(), false, Bicubic))

	m := photo(20, 20)
	sub := m.SubImage(image.Rect(3, 5, 11, 17))
	s = turned(sub, upright)
	require.Equal(t, planes(sub), sample(s, 8, 12, s.Bounds(), false, Bicubic))
}

// TestEdges asks for parts beyond the picture and for slivers.
func TestEdges(t *testing.T) {
	s := turned(photo(9, 9), upright)
	for _, r := range []Rect{{-5, -5, 0, 0}, {9, 9, 20, 20}, {-100, 4, 100, 5}, {4, 4, 4.001, 4.001}, {8.999, 0, 9, 9}, {0, 0, 0, 0}} {
		for _, n := range []int{1, 2, 5, 40} {
			for _, v := range sample(s, n, n, r, false, Bicubic) {
				require.True(t, v >= 0 && v <= 255, "%v to %d: %v", r, n, v)
			}
		}
	}
	one := turned(photo(1, 1), upright)
	require.Len(t, sample(one, 5, 5, one.Bounds(), true, Bicubic), 75)
}

func TestConcurrentSamples(t *testing.T) {
	s := turned(photo(400, 300), upright)
	want := sample(s, 20, 15, s.Bounds(), false, Bicubic)
	s = turned(photo(400, 300), upright)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := sample(s, 20, 15, s.Bounds(), false, Bicubic); meanDifference(want, got) != 0 {
				t.Error("samples differ between goroutines")
			}
		})
	}
	wg.Wait()
}

func BenchmarkSample(b *testing.B) {
	photo := photo(500, 375)
	ycc := image.NewYCbCr(photo.Rect, image.YCbCrSubsampleRatio420)
	for i := range ycc.Y {
		ycc.Y[i] = photo.Pix[4*i]
	}
	for name, m := range map[string]image.Image{"RGBA": photo, "YCbCr": ycc} {
		b.Run(name, func(b *testing.B) {
			out := make([]float32, 3*224*224)
			for b.Loop() {
				s := turned(m, upright)
				s.Sample(out, 224, 224, s.Bounds(), false, Bicubic)
			}
		})
	}
}

// turned is the picture of an image that lies as o says.
func turned(img image.Image, o turn) *Picture {
	b := img.Bounds()
	f := &File{header: header{w: b.Dx(), h: b.Dy(), turn: o}}
	f.W, f.H = o.size(b.Dx(), b.Dy())
	return fromImage(img, f)
}
