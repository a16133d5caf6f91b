package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture/picturetest"
)

// noisePNG is a picture of noise, of any kind that there is.
func noisePNG(w, h, depth int, colour byte, interlaced bool, before []byte) []byte {
	rng := rand.New(rand.NewPCG(uint64(depth), uint64(colour)))
	p := picturetest.PNG{
		W: w, H: h, Depth: depth, Colour: colour, Interlaced: interlaced, Before: before,
		Row: func(_, _ int, row []byte) {
			for i := range row {
				row[i] = byte(rng.Uint32())
				if rng.IntN(3) == 0 {
					row[i] = 255
				}
			}
		},
		Filter: func(int) byte { return byte(rng.IntN(5)) },
	}
	return p.Encode()
}

// TestPNGKinds compares every kind of PNG with image/png.
func TestPNGKinds(t *testing.T) {
	palette := make([]byte, 3*256)
	for i := range palette {
		palette[i] = byte(i * 7)
	}
	plte := picturetest.Chunk("PLTE", palette)
	damaged := picturetest.Chunk("tEXt", []byte("Comment\x00hello"))
	damaged[len(damaged)-1]++
	for _, c := range []struct {
		colour byte
		depths []int
		before []byte
	}{
		{pngGrey, []int{1, 2, 4, 8, 16}, nil},
		{pngGrey, []int{4, 8, 16}, picturetest.Chunk("tRNS", []byte{0, 15})},
		{pngRGB, []int{8, 16}, nil},
		{pngRGB, []int{8}, picturetest.Chunk("tRNS", []byte{0, 255, 0, 255, 0, 255})},
		{pngPalette, []int{1, 2, 4, 8}, plte},
		{pngPalette, []int{8}, append(bytes.Clone(plte), picturetest.Chunk("tRNS", []byte{0, 50, 100, 150, 200})...)},
		{pngGreyAlpha, []int{8, 16}, nil},
		{pngRGBA, []int{8, 16}, nil},
	} {
		for _, depth := range c.depths {
			for _, interlaced := range []bool{false, true} {
				for _, size := range []image.Point{{1, 1}, {3, 9}, {33, 21}} {
					name := fmt.Sprintf("type %d, depth %d, interlaced %v, %v", c.colour, depth, interlaced, size)
					before := c.before
					if c.colour == pngPalette && depth < 8 {
						before = picturetest.Chunk("PLTE", palette[:3<<depth])
					}
					data := noisePNG(size.X, size.Y, depth, c.colour, interlaced, before)
					m, err := png.Decode(bytes.NewReader(data))
					require.NoError(t, err, name)
					want := image.NewRGBA(m.Bounds())
					draw.Draw(want, want.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
					draw.Draw(want, want.Rect, m, image.Point{}, draw.Over)
					p, err := Decode(t.Context(), bytes.NewReader(data), nil)
					require.NoError(t, err, name)
					require.Empty(t, p.Note)
					got := p.Image()
					for i := range want.Pix {
						require.InDelta(t, want.Pix[i], got.Pix[i], 2, name) // 16 bits are rounded elsewhere
					}
				}
			}
		}
	}
	data := noisePNG(5, 5, 8, pngRGB, false, damaged)
	p, err := Decode(t.Context(), bytes.NewReader(data), nil)
	require.NoError(t, err, "a wrong checksum of what is not pixels")
	require.Empty(t, p.Note)
}

// TestPNGReduced compares blocks averaged while decoding with those averaged afterwards.
func TestPNGReduced(t *testing.T) {
	for _, interlaced := range []bool{false, true} {
		for _, colour := range []byte{pngGrey, pngRGBA} {
			data := noisePNG(203, 158, 8, colour, interlaced, nil)
			full, err := Decode(t.Context(), bytes.NewReader(data), nil)
			require.NoError(t, err)
			small, err := Decode(t.Context(), bytes.NewReader(data), &Options{Detail: 13})
			require.NoError(t, err)
			require.Equal(t, []int{203, 158}, []int{small.W, small.H})
			for i, q := range full.planes {
				want := q.shrink(4, 4)
				require.Equal(t, want, small.planes[i], "interlaced %v, colour %d", interlaced, colour)
			}
		}
	}
}

// TestExtremeShapes samples pictures that are very long: their rows are never all in memory as floats.
func TestExtremeShapes(t *testing.T) {
	for _, size := range []image.Point{{1, 1 << 20}, {1 << 20, 1}, {3, 400_000}} {
		p := picturetest.PNG{W: size.X, H: size.Y, Depth: 8, Row: func(_, _ int, row []byte) {
			for i := range row {
				row[i] = 100
			}
		}}
		img, err := Decode(t.Context(), bytes.NewReader(p.Encode()), nil)
		require.NoError(t, err)
		out := make([]float32, 3*64*64)
		img.Sample(out, 64, 64, img.Bounds(), false, Bicubic)
		for _, v := range out {
			require.InDelta(t, 100, v, 1e-3)
		}
	}
}

// TestPNGDamage keeps what is there of a picture that is cut off late.
func TestPNGDamage(t *testing.T) {
	data := noisePNG(64, 200, 8, pngRGB, false, nil)
	whole, err := Decode(t.Context(), bytes.NewReader(data), nil)
	require.NoError(t, err)
	p, err := Decode(t.Context(), bytes.NewReader(data[:len(data)*95/100]), nil)
	require.NoError(t, err)
	require.Contains(t, p.Note, "the lower ")
	require.Equal(t, whole.planes[0].pix[:64*180], p.planes[0].pix[:64*180])
	_, err = Decode(t.Context(), bytes.NewReader(data[:len(data)/2]), nil)
	require.ErrorIs(t, err, ErrTruncated)

	bent := bytes.Clone(data)
	bent[len(bent)-17]++ // the checksum of the pixels
	p, err = Decode(t.Context(), bytes.NewReader(bent), nil)
	require.NoError(t, err)
	require.Equal(t, "a part of it may be damaged", p.Note)
}
