package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture/picturetest"
)

// shown is the picture pixel by pixel.
func shown(p *Picture) *image.RGBA { return p.resized(max(p.W, p.H)) }

// colourAt is the colour at x, y.
func colourAt(img image.Image, x, y int) [3]int {
	r, g, b, _ := img.At(x, y).RGBA()
	return [3]int{int(r >> 8), int(g >> 8), int(b >> 8)}
}

func requireColour(t *testing.T, want [3]int, img image.Image, x, y, tolerance int) {
	t.Helper()
	got := colourAt(img, x, y)
	for c := range 3 {
		require.InDelta(t, want[c], got[c], float64(tolerance), "pixel %d,%d: want %v, got %v", x, y, want, got)
	}
}

func TestDecodeKinds(t *testing.T) {
	solid := func(m interface {
		image.Image
		Set(x, y int, c color.Color)
	}, c color.Color) image.Image {
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				m.Set(x, y, c)
			}
		}
		return m
	}
	r := image.Rect(0, 0, 9, 5)
	orange := color.NRGBA{200, 100, 50, 255}
	half := color.NRGBA{200, 100, 50, 51} // a fifth, on white: 244, 224, 214
	palette := color.Palette{color.NRGBA{}, orange, half}

	var animated bytes.Buffer
	frame := func(r image.Rectangle, index uint8) *image.Paletted {
		m := image.NewPaletted(r, color.Palette{color.Black, orange})
		for i := range m.Pix {
			m.Pix[i] = index
		}
		return m
	}
	require.NoError(t, gif.EncodeAll(&animated, &gif.GIF{
		Image: []*image.Paletted{frame(image.Rect(2, 1, 6, 4), 1), frame(r, 0)}, Delay: []int{1, 1},
		Config: image.Config{Width: 9, Height: 5, ColorModel: color.Palette{color.Black, orange}},
	}))

	for name, c := range map[string]struct {
		data []byte
		want [3]int
		tol  int
	}{
		"JPEG":                     {encodeJPEG(t, solid(image.NewRGBA(r), orange)), [3]int{200, 100, 50}, 3},
		"JPEG baseline by hand":    {flatJPEG(0xc0, 9, 5, -1, 124, 84, 187), [3]int{207, 97, 46}, 3},
		"JPEG progressive":         {flatJPEG(0xc2, 9, 5, -1, 124, 84, 187), [3]int{207, 97, 46}, 3},
		"JPEG grey":                {flatJPEG(0xc0, 9, 5, -1, 77), [3]int{77, 77, 77}, 1},
		"JPEG RGB (Adobe)":         {flatJPEG(0xc0, 9, 5, 0, 200, 100, 50), [3]int{200, 100, 50}, 1},
		"JPEG CMYK (Adobe)":        {flatJPEG(0xc0, 9, 5, 0, 255, 100, 255, 128), [3]int{128, 50, 128}, 2},
		"JPEG CMYK (ink)":          {flatJPEG(0xc0, 9, 5, -1, 0, 155, 0, 127), [3]int{128, 50, 128}, 2},
		"JPEG CMYK progressive":    {flatJPEG(0xc2, 9, 5, 0, 255, 100, 255, 128), [3]int{128, 50, 128}, 2},
		"JPEG YCCK (Adobe)":        {flatJPEG(0xc0, 9, 5, 2, 124, 84, 187, 255), [3]int{48, 158, 209}, 3},
		"JPEG YCCK, half black":    {flatJPEG(0xc0, 9, 5, 2, 124, 84, 187, 128), [3]int{24, 79, 105}, 3},
		"PNG":                      {encodePNG(t, solid(image.NewRGBA(r), orange)), [3]int{200, 100, 50}, 0},
		"PNG with alpha":           {encodePNG(t, solid(image.NewNRGBA(r), half)), [3]int{244, 224, 214}, 1},
		"PNG of 16 bits":           {encodePNG(t, solid(image.NewNRGBA64(r), color.NRGBA64{200 << 8, 100 << 8, 50 << 8, 0xffff})), [3]int{200, 100, 50}, 1},
		"PNG of 16 bits, alpha":    {encodePNG(t, solid(image.NewNRGBA64(r), half)), [3]int{244, 224, 214}, 1},
		"PNG grey of 16 bits":      {encodePNG(t, solid(image.NewGray16(r), color.Gray16{77 << 8})), [3]int{77, 77, 77}, 1},
		"PNG palette":              {encodePNG(t, solid(image.NewPaletted(r, palette), orange)), [3]int{200, 100, 50}, 0},
		"PNG palette, alpha":       {encodePNG(t, solid(image.NewPaletted(r, palette), half)), [3]int{244, 224, 214}, 1},
		"PNG quite transparent":    {encodePNG(t, image.NewNRGBA(r)), [3]int{255, 255, 255}, 0},
		"GIF, first frame":         {animated.Bytes(), [3]int{200, 100, 50}, 0},
		"TIFF":                     {encodeTIFF(t, solid(image.NewRGBA(r), orange)), [3]int{200, 100, 50}, 0},
		"TIFF of 16 bits, alpha":   {encodeTIFF(t, solid(image.NewNRGBA64(r), half)), [3]int{244, 224, 214}, 1},
		"BMP":                      {encodeBMP(t, solid(image.NewRGBA(r), orange)), [3]int{200, 100, 50}, 0},
		"camera raw, its preview":  {rawFile(encodeJPEG(t, solid(image.NewRGBA(r), orange)), 1), [3]int{200, 100, 50}, 3},
		"WebP lossless":            {picturetest.FlatWebP(9, 5, orange), [3]int{200, 100, 50}, 0},
		"WebP lossless, alpha":     {picturetest.FlatWebP(9, 5, half), [3]int{244, 224, 214}, 1},
		"WebP animated":            {picturetest.AnimatedWebP(9, 5, 2, 0, 4, 4, orange), [3]int{200, 100, 50}, 0},
		"WebP animated, alpha":     {picturetest.AnimatedWebP(9, 5, 2, 0, 4, 4, half), [3]int{244, 224, 214}, 1},
		"EXIF that makes no sense": {withExif(picturetest.FlatWebP(9, 5, orange), []byte("II*\x00\xff\xff\xff\xff")), [3]int{200, 100, 50}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			img, err := Decode(t.Context(), bytes.NewReader(c.data), nil)
			require.NoError(t, err)
			require.Equal(t, []int{9, 5}, []int{img.W, img.H})
			requireColour(t, c.want, shown(img), 4, 2, c.tol)
		})
	}
	img, err := Decode(t.Context(), &animated, nil)
	require.NoError(t, err)
	requireColour(t, [3]int{255, 255, 255}, shown(img), 0, 0, 0)
}

// TestOrientation compares with the definition: where EXIF says the stored row 0 and column 0 belong.
func TestOrientation(t *testing.T) {
	corners := [9][4]string{ // upper left, upper right, lower left, lower right of the upright picture
		1: {"red", "green", "blue", "white"},
		2: {"green", "red", "white", "blue"},
		3: {"white", "blue", "green", "red"},
		4: {"blue", "white", "red", "green"},
		5: {"red", "blue", "green", "white"},
		6: {"blue", "red", "white", "green"},
		7: {"white", "green", "blue", "red"},
		8: {"green", "white", "red", "blue"},
	}
	colours := map[string][3]int{"red": {255, 0, 0}, "green": {0, 255, 0}, "blue": {0, 0, 255}, "white": {255, 255, 255}}
	m := quarters(32, 16)
	odd := quarters(33, 17)
	grey := image.NewGray(m.Rect)
	for i := range grey.Pix {
		grey.Pix[i] = m.Pix[4*i]
	}
	for o := 1; o <= 8; o++ {
		order := binary.AppendByteOrder(binary.BigEndian)
		if o%2 == 0 {
			order = binary.LittleEndian
		}
		for name, data := range map[string][]byte{
			"JPEG": encodeJPEG(t, m), "JPEG, odd sides": encodeJPEG(t, odd), "PNG": encodePNG(t, m), "grey JPEG": encodeJPEG(t, grey),
		} {
			t.Run(fmt.Sprintf("%s %d", name, o), func(t *testing.T) {
				p, err := Decode(t.Context(), bytes.NewReader(withExif(data, exifBlock(order, o))), nil)
				require.NoError(t, err)
				img, w, h := shown(p), p.W, p.H
				require.Equal(t, o >= 5, h > w)
				for i, p := range []image.Point{{1, 1}, {w - 2, 1}, {1, h - 2}, {w - 2, h - 2}} {
					want := colours[corners[o][i]]
					if name == "grey JPEG" {
						want = [3]int{want[0], want[0], want[0]}
					}
					requireColour(t, want, img, p.X, p.Y, 12)
				}
			})
		}
	}
	img, err := Decode(t.Context(), bytes.NewReader(withExif(picturetest.FlatWebP(9, 5, color.NRGBA{1, 2, 3, 255}), exifBlock(binary.LittleEndian, 6))), nil)
	require.NoError(t, err)
	require.Equal(t, []int{5, 9}, []int{img.W, img.H})
}

// TestOrientSubsampling checks every JPEG subsampling against turning the picture pixel by pixel.
func TestOrientSubsampling(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		for _, size := range []image.Point{{8, 4}, {7, 5}} {
			m := image.NewYCbCr(image.Rect(0, 0, size.X, size.Y), ratio)
			for i := range m.Y {
				m.Y[i] = uint8(100 + i)
			}
			for i := range m.Cb {
				m.Cb[i], m.Cr[i] = uint8(110+5*i), uint8(140-3*i)
			}
			plain := shown(turned(m, upright))
			for o := upright; o <= toTurnLeft; o++ {
				got := shown(turned(m, o))
				for y := range got.Rect.Dy() {
					for x := range got.Rect.Dx() {
						sx, sy := x, y
						if o >= 5 {
							sx, sy = sy, sx
						}
						if o == 2 || o == 3 || o == 7 || o == 8 {
							sx = size.X - 1 - sx
						}
						if o == 3 || o == 4 || o == 6 || o == 7 {
							sy = size.Y - 1 - sy
						}
						requireColour(t, colourAt(plain, sx, sy), got, x, y, 1)
					}
				}
			}
		}
	}
}

// TestRawPreview: the largest preview counts, and lies as the raw file says.
func TestRawPreview(t *testing.T) {
	f, err := Open(bytes.NewReader(rawFile(encodeJPEG(t, quarters(40, 20)), 6)), nil)
	require.NoError(t, err)
	require.Equal(t, Raw, f.Kind)
	require.Equal(t, []int{20, 40}, []int{f.W, f.H})
	p, err := f.Decode(t.Context())
	require.NoError(t, err)
	requireColour(t, [3]int{0, 0, 255}, shown(p), 2, 2, 12)
	_, err = Open(bytes.NewReader(rawFile(nil, 1)), nil)
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "preview")
}

func TestDecodeDefects(t *testing.T) {
	dir := t.TempDir()
	photo := encodeJPEG(t, quarters(64, 48))
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, data, 0o666))
		return p
	}
	for _, c := range []struct {
		path string
		want error
		says string
	}{
		{write("huge.png", hugePNG()), ErrTooLarge, "50000×50000"},
		{write("cut.jpg", photo[:len(photo)-150]), ErrTruncated, "after"},
		{write("cut-in-header.jpg", photo[:100]), ErrTruncated, "after"},
		{write("text.jpg", []byte("Dear diary,\n")), ErrFormat, `begins with "Dear diary,\n"`},
		{write("empty.jpg", nil), ErrTruncated, "empty"},
		{dir, ErrFormat, "is a folder"},
		{write("bent.png", append(encodePNG(t, quarters(8, 8))[:40], make([]byte, 400)...)), ErrTruncated, "PNG"},
		{filepath.Join(dir, "absent.jpg"), os.ErrNotExist, "absent.jpg"},
	} {
		_, err := DecodeFile(t.Context(), c.path, nil)
		require.ErrorIs(t, err, c.want, c.path)
		require.ErrorContains(t, err, c.path)
		require.ErrorContains(t, err, c.says)
	}
	p := write("fine.jpg", photo)
	_, err := DecodeFile(t.Context(), p, &Options{MaxPixels: 64*48 - 1})
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = DecodeFile(t.Context(), p, &Options{MaxBytes: int64(len(photo)) - 1})
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = Decode(t.Context(), bytes.NewReader(photo), &Options{MaxBytes: int64(len(photo)) - 1})
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = DecodeFile(t.Context(), p, &Options{MaxBytes: int64(len(photo)), MaxPixels: 64 * 48})
	require.NoError(t, err)
	_, err = Decode(t.Context(), io.MultiReader(strings.NewReader("GIF89a"), brokenReader{}), nil)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestTruncatedAnywhere cuts a file of every kind at every byte: never a picture that silently lacks pixels.
func TestTruncatedAnywhere(t *testing.T) {
	m := quarters(20, 12)
	var g bytes.Buffer
	require.NoError(t, gif.Encode(&g, m, nil))
	for name, data := range map[string][]byte{
		"JPEG": encodeJPEG(t, m), "progressive JPEG": flatJPEG(0xc2, 20, 12, -1, 90, 84, 187), "PNG": encodePNG(t, m),
		"GIF": g.Bytes(), "WebP": picturetest.FlatWebP(20, 12, color.NRGBA{1, 2, 3, 255}), "animated WebP": picturetest.AnimatedWebP(9, 5, 2, 0, 4, 4, color.NRGBA{1, 2, 3, 255}),
	} {
		whole, err := Decode(t.Context(), bytes.NewReader(data), nil)
		require.NoError(t, err, name)
		for n := range data {
			img, err := Decode(t.Context(), bytes.NewReader(data[:n]), nil)
			if err == nil { // little is missing, and that is said
				if !bytes.Equal(shown(whole).Pix, shown(img).Pix) {
					require.NotEmpty(t, img.Note, "%s cut at %d", name, n)
				}
				continue
			}
			if n >= 12 {
				require.ErrorIs(t, err, ErrTruncated, "%s cut at %d", name, n)
			}
		}
	}
}

// TestWebPLossy reads the sample of x/image, whose PNG twin tells the true colours.
func TestWebPLossy(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/image").Output()
	if err != nil || len(dir) == 0 {
		t.Skip("no module cache to take samples from")
	}
	samples := filepath.Join(strings.TrimSpace(string(dir)), "testdata")
	if _, err := os.Stat(samples); err != nil {
		t.Skip("module cache without test data")
	}
	want, err := DecodeFile(t.Context(), filepath.Join(samples, "video-001.png"), nil)
	require.NoError(t, err)
	got, err := DecodeFile(t.Context(), filepath.Join(samples, "video-001.lossy.webp"), nil)
	require.NoError(t, err)
	require.Equal(t, want.Bounds(), got.Bounds())
	shownWant, shownGot := shown(want), shown(got)
	var sums [2][3]int
	w, h := want.W, want.H
	for y := range h {
		for x := range w {
			for c := range 3 {
				sums[0][c] += colourAt(shownWant, x, y)[c]
				sums[1][c] += colourAt(shownGot, x, y)[c]
			}
		}
	}
	for c := range 3 {
		require.InDelta(t, sums[0][c]/(w*h), sums[1][c]/(w*h), 2, "mean of channel %d", c)
	}
}

func FuzzDecode(f *testing.F) {
	for _, data := range [][]byte{
		encodeJPEG(f, quarters(8, 8)), encodePNG(f, quarters(8, 8)), flatJPEG(0xc2, 8, 8, -1, 90, 84, 187), flatJPEG(0xc0, 8, 8, 2, 90, 84, 187, 3),
		withExif(encodeJPEG(f, quarters(8, 8)), exifBlock(binary.BigEndian, 7)), withExif(encodePNG(f, quarters(8, 8)), exifBlock(binary.LittleEndian, 5)),
		encodeTIFF(f, quarters(8, 8)), encodeBMP(f, quarters(8, 8)), rawFile(encodeJPEG(f, quarters(8, 8)), 3),
		picturetest.FlatWebP(8, 8, color.NRGBA{1, 2, 3, 4}), picturetest.AnimatedWebP(9, 5, 2, 0, 4, 4, color.NRGBA{1, 2, 3, 4}), hugePNG(), []byte("GIF89a"),
	} {
		f.Add(data)
	}
	var g bytes.Buffer
	require.NoError(f, gif.Encode(&g, quarters(8, 8), nil))
	f.Add(g.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(t.Context(), bytes.NewReader(data), &Options{MaxPixels: 1 << 16})
		if err != nil {
			return
		}
		if img.W <= 0 || img.H <= 0 || img.W*img.H > 1<<16 {
			t.Fatalf("%d×%d", img.W, img.H)
		}
		shown(img) // reads every pixel
	})
}
