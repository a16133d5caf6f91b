package serve

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPicture takes the picture of the search page in docs: scripts/picture starts a server and sets
//
//	ALADIN_PICTURE=file.png ALADIN_PICTURE_OF=http://127.0.0.1:8080 ALADIN_PICTURE_QUERY="a red ball"
func TestPicture(t *testing.T) {
	file, server := os.Getenv("ALADIN_PICTURE"), os.Getenv("ALADIN_PICTURE_OF")
	if file == "" || server == "" {
		t.Skip("scripts/picture sets what of, and where to")
	}
	const most = 300_000 // bytes
	b := openAt(t, startBrowser(t), &httptest.Server{URL: server}, "/?q="+url.QueryEscape(os.Getenv("ALADIN_PICTURE_QUERY")), 1160, 640)
	b.settled()
	b.wait(`document.querySelectorAll("#hits .hit img").length > 5`)
	b.point("#hits .hit .open")
	b.wait(`document.querySelector("#hits .box") && [...document.images].every(i => i.complete || i.loading === "lazy")`)
	b.run(chromedp.Sleep(time.Second)) // nothing moves any more
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	b.clean()

	img, err := png.Decode(bytes.NewReader(shot))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, paletted(img, 256)))
	assert.LessOrEqual(t, out.Len(), most)
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
}

// paletted is a picture in n colours: the means of boxes into which its colours are cut, those first that pixels
// differ in most (median cut).
func paletted(img image.Image, n int) *image.Paletted {
	type colour struct {
		of [3]uint8
		n  int // pixels
	}
	seen := map[[3]uint8]int{}
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			seen[[3]uint8{c.R, c.G, c.B}]++
		}
	}
	all := make([]colour, 0, len(seen))
	for of, n := range seen {
		all = append(all, colour{of, n})
	}
	slices.SortFunc(all, func(a, b colour) int { return bytes.Compare(a.of[:], b.of[:]) })
	// spread is the channel in which the pixels of a box differ most, its mean, and the sum of squares about it.
	spread := func(box []colour) (channel int, mean [3]float64, most float64) {
		pixels := 0.0
		for _, c := range box {
			pixels += float64(c.n)
			for i, v := range c.of {
				mean[i] += float64(v) * float64(c.n)
			}
		}
		for i := range mean {
			mean[i] /= pixels
			sum := 0.0
			for _, c := range box {
				d := float64(c.of[i]) - mean[i]
				sum += d * d * float64(c.n)
			}
			if sum > most {
				channel, most = i, sum
			}
		}
		return channel, mean, most
	}
	boxes := [][]colour{all}
	for len(boxes) < n {
		worst, most := 0, 0.0
		for i, box := range boxes {
			if _, _, s := spread(box); s > most {
				worst, most = i, s
			}
		}
		if most == 0 {
			break
		}
		box := boxes[worst]
		channel, mean, _ := spread(box)
		slices.SortStableFunc(box, func(a, b colour) int { return int(a.of[channel]) - int(b.of[channel]) })
		at := slices.IndexFunc(box, func(c colour) bool { return float64(c.of[channel]) > mean[channel] })
		boxes[worst] = box[:at]
		boxes = append(boxes, box[at:])
	}
	palette := make(color.Palette, 0, len(boxes))
	for _, box := range boxes {
		_, mean, _ := spread(box)
		palette = append(palette, color.RGBA{uint8(mean[0] + 0.5), uint8(mean[1] + 0.5), uint8(mean[2] + 0.5), 255})
	}
	out := image.NewPaletted(b, palette)
	draw.FloydSteinberg.Draw(out, b, img, b.Min)
	return out
}
