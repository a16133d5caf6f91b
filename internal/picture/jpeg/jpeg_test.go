package jpeg

import (
	"bytes"
	"context"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture/picturetest"
)

const limit = 1 << 28

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

// TestAgreesWithImageJPEG compares samples; the two inverse transforms round differently.
func TestAgreesWithImageJPEG(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {7, 5}, {16, 16}, {67, 131}, {200, 33}} {
		var b bytes.Buffer
		require.NoError(t, stdjpeg.Encode(&b, photo(size.X, size.Y), nil))
		want, err := stdjpeg.Decode(bytes.NewReader(b.Bytes()))
		require.NoError(t, err)
		m := want.(*image.YCbCr)
		got, err := Decode(t.Context(), bytes.NewReader(b.Bytes()), 8, limit)
		require.NoError(t, err)
		require.Equal(t, YCbCr, got.Colour)
		require.Empty(t, got.Note)
		for i, pix := range [][]uint8{m.Y, m.Cb, m.Cr} {
			stride := []int{m.YStride, m.CStride, m.CStride}[i]
			p := got.Planes[i]
			for y := range p.H {
				for x := range p.W {
					require.InDelta(t, pix[y*stride+x], p.Pix[y*p.Stride+x], 1, "%v plane %d at %d,%d", size, i, x, y)
				}
			}
		}
	}
}

// TestScales compares reduced pictures with the means of what they stand for.
func TestScales(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, stdjpeg.Encode(&b, photo(160, 96), &stdjpeg.Options{Quality: 95}))
	full, err := Decode(t.Context(), bytes.NewReader(b.Bytes()), 8, limit)
	require.NoError(t, err)
	for _, k := range []int{4, 2, 1} {
		got, err := Decode(t.Context(), bytes.NewReader(b.Bytes()), k, limit)
		require.NoError(t, err)
		f := 8 / k
		for i, p := range got.Planes {
			q := full.Planes[i]
			require.Equal(t, []int{q.W / f, q.H / f}, []int{p.W, p.H})
			require.InDelta(t, q.SX/float64(f), p.SX, 1e-9)
			var off float64
			for y := range p.H {
				for x := range p.W {
					var sum int
					for dy := range f {
						for dx := range f {
							sum += int(q.Pix[(y*f+dy)*q.Stride+x*f+dx])
						}
					}
					off += math.Abs(float64(sum)/float64(f*f) - float64(p.Pix[y*p.Stride+x]))
				}
			}
			require.Less(t, off/float64(p.W*p.H), 2.5, "scale %d plane %d", k, i)
		}
	}
}

// blocks are random coefficients, many of them 0, with some large ones.
func blocks(n int) []*[64]int {
	rng := rand.New(rand.NewPCG(3, 4))
	out := make([]*[64]int, n)
	for i := range out {
		b := &[64]int{}
		b[0] = rng.IntN(900) - 450
		for z := 1; z < 64; z++ {
			if rng.IntN(1+z/6) == 0 {
				b[z] = (rng.IntN(81) - 40) / (1 + z/8)
			}
		}
		if i%5 == 0 {
			clear(b[1:]) // runs of empty bands
		}
		out[i] = b
	}
	return out
}

// TestProgressive writes the same coefficients as a sequential picture and in scans of every kind.
func TestProgressive(t *testing.T) {
	const w, h = 80, 48
	all := blocks(w / 8 * h / 8)
	seq := picturetest.NewJPEG(0xc0, w, h, 2, 0x11)
	seq.Scan(0, 63, 0, 0, 1)
	last := 0
	for _, b := range all {
		seq.DC(b[0] - last)
		last = b[0]
		seq.AC(b, 1, 63, 0)
	}
	seq.EndScan()

	pro := picturetest.NewJPEG(0xc2, w, h, 2, 0x11)
	pro.Scan(0, 0, 0, 1, 1)
	last = 0
	for _, b := range all {
		pro.DC(b[0]>>1 - last)
		last = b[0] >> 1
	}
	pro.EndScan()
	first := func(ss, se int, al uint) {
		pro.Scan(byte(ss), byte(se), 0, byte(al), 1)
		for _, b := range all {
			pro.AC(b, ss, se, al)
		}
		pro.EndScan()
	}
	refine := func(ss, se int, al uint) {
		pro.Scan(byte(ss), byte(se), byte(al+1), byte(al), 1)
		for _, b := range all {
			pro.Refine(b, ss, se, al)
		}
		pro.EndScan()
	}
	first(1, 5, 2)
	first(6, 63, 2)
	refine(1, 63, 1)
	pro.Scan(0, 0, 1, 0, 1)
	for _, b := range all {
		pro.Bits(b[0], 1)
	}
	pro.EndScan()
	cut := pro.Len() + 2
	refine(1, 20, 0)
	refine(21, 63, 0)
	data := pro.End()
	for _, k := range []int{8, 4, 2, 1} {
		want, err := Decode(t.Context(), bytes.NewReader(seq.Bytes()), k, limit)
		require.NoError(t, err)
		require.Equal(t, "its end is missing", want.Note, "the sequential one has no end marker")
		got, err := Decode(t.Context(), bytes.NewReader(data), k, limit)
		require.NoError(t, err)
		require.Equal(t, want.Planes, got.Planes, "scale %d", k)
		require.Empty(t, got.Note)
	}
	got, err := Decode(t.Context(), bytes.NewReader(data[:cut]), 8, limit)
	require.NoError(t, err)
	require.Equal(t, "its end is missing", got.Note)
	_, err = Decode(t.Context(), bytes.NewReader(data[:300+64]), 8, limit)
	require.ErrorIs(t, err, ErrTruncated)

	if m, err := stdjpeg.Decode(bytes.NewReader(data)); err == nil { // the writer writes what others read
		whole, _ := Decode(t.Context(), bytes.NewReader(data), 8, limit)
		require.InDelta(t, m.(*image.Gray).Pix[0], whole.Planes[0].Pix[0], 2)
	}
}

// TestWork refuses scans without end, and ends with its context.
func TestWork(t *testing.T) {
	j := picturetest.NewJPEG(0xc2, 800, 800, 1, 0x11)
	for range 100 {
		j.Scan(1, 63, 0, 0, 1)
		j.Symbol(0xe0) // an end of band for 32767 blocks
		j.Bits(0x3fff, 14)
		j.EndScan()
	}
	_, err := Decode(t.Context(), bytes.NewReader(j.End()), 8, limit)
	require.ErrorIs(t, err, ErrWork)
	_, err = Decode(t.Context(), bytes.NewReader(j.Bytes()), 8, 1<<20)
	require.ErrorIs(t, err, ErrWork, "memory")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Decode(ctx, bytes.NewReader(j.Bytes()), 8, limit)
	require.ErrorIs(t, err, context.Canceled)
}

// TestDamage decodes what is good enough, and says what is missing.
func TestDamage(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, stdjpeg.Encode(&b, photo(160, 320), nil))
	data := b.Bytes()
	whole, err := Decode(t.Context(), bytes.NewReader(data), 8, limit)
	require.NoError(t, err)
	for _, c := range []struct {
		cut  float64
		note string
	}{{0, "its end is missing"}, {0.05, "the lower"}} {
		n := len(data) - 2 - int(c.cut*float64(len(data)))
		got, err := Decode(t.Context(), bytes.NewReader(data[:n]), 8, limit)
		require.NoError(t, err)
		require.Contains(t, got.Note, c.note)
		p, q := whole.Planes[0], got.Planes[0]
		require.Equal(t, p.Pix[:p.Stride*260], q.Pix[:p.Stride*260])
		require.NotZero(t, q.Pix[len(q.Pix)-1], "what is missing is not black")
	}
	_, err = Decode(t.Context(), bytes.NewReader(data[:len(data)/2]), 8, limit)
	require.ErrorIs(t, err, ErrTruncated)
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, stdjpeg.Encode(&b, photo(20, 12), nil))
	f.Add(b.Bytes(), uint8(3))
	j := picturetest.NewJPEG(0xc2, 16, 16, 2, 0x21, 0x11, 0x12)
	j.Scan(0, 0, 0, 1, 1, 2, 3)
	for range 12 {
		j.DC(3)
	}
	j.EndScan()
	j.Scan(1, 63, 0, 0, 1)
	for _, b := range blocks(4) {
		j.AC(b, 1, 63, 0)
	}
	j.EndScan()
	f.Add(j.End(), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, scale uint8) {
		h, err := ReadHeader(bytes.NewReader(data))
		if err != nil || h.W*h.H > 1<<16 {
			return
		}
		k := 1 << (scale % 4)
		img, err := Decode(t.Context(), bytes.NewReader(data), k, h.Bytes(k))
		if err != nil {
			return
		}
		for _, p := range img.Planes {
			if p.W < 1 || p.H < 1 || p.W > p.Stride || p.H*p.Stride > len(p.Pix) {
				t.Fatalf("plane %d×%d of %d, %d bytes", p.W, p.H, p.Stride, len(p.Pix))
			}
		}
	})
}
