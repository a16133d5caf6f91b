package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
)

// With Alpha a transparent picture's colours are as they are written; without, they lie on white.
func TestAlpha(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 9, 5))
	deep := image.NewNRGBA64(m.Rect)
	for y := range 5 {
		for x := range 9 {
			c := color.NRGBA{uint8(20 * x), uint8(40 * y), 77, uint8(28 * x)}
			m.SetNRGBA(x, y, c)
			deep.SetNRGBA64(x, y, color.NRGBA64{uint16(c.R) * 257, uint16(c.G) * 257, uint16(c.B) * 257, uint16(c.A) * 257})
		}
	}
	check := func(f *File, err error) {
		t.Helper()
		require.NoError(t, err)
		p, err := f.Decode(t.Context())
		require.NoError(t, err)
		require.Equal(t, m, p.Image())
	}
	for _, img := range []image.Image{m, deep} {
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, img))
		check(Open(bytes.NewReader(b.Bytes()), &Options{Alpha: true}))

		f, err := Open(bytes.NewReader(b.Bytes()), nil)
		require.NoError(t, err)
		p, err := f.Decode(t.Context())
		require.NoError(t, err)
		require.True(t, p.Image().Opaque())
		require.Equal(t, color.NRGBA{255, 255, 255, 255}, p.Image().NRGBAAt(0, 0))
	}
	check(OpenImage(m, &Options{Alpha: true}))

	// An opaque picture has no alpha to keep.
	f, err := OpenImage(image.NewGray(m.Rect), &Options{Alpha: true})
	require.NoError(t, err)
	p, err := f.Decode(t.Context())
	require.NoError(t, err)
	require.True(t, p.Image().Opaque())
}
