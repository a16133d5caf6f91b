package chart

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	var err error
	for err == nil {
		_, err = d.Token()
	}
	require.ErrorIs(t, err, io.EOF)
	require.NotContains(t, text, "NaN")
	require.NotContains(t, text, "Inf")
}

func example() *Chart {
	c := &Chart{Title: "One <two> & three", X: "ms", Y: "rsum", LogX: true, RoomX: 2, RoomY: .1, Legend: true}
	c.Series = []Series{
		{Kind: Path, Points: []Point{{X: 1, Y: 10}, {X: 20, Y: 30}}},
		{Kind: Dots, Colour: 9, Points: []Point{{X: 1, Y: 10, Name: "first", Low: 5, High: 12}, {X: 0, Y: 3, Name: "nowhere"}}},
		{Kind: Line, Name: "line", Points: []Point{{X: 1, Y: 1}, {X: 2, Y: math.NaN()}, {X: 3, Y: 4}}},
		{Kind: Dashed, Points: []Point{{X: 1, Y: 1}, {X: 100, Y: 4}}},
	}
	return c
}

func TestSVG(t *testing.T) {
	inPage := string(example().HTML())
	wellFormed(t, inPage)
	assert.Contains(t, inPage, "One &lt;two&gt; &amp; three")
	assert.Contains(t, inPage, `<circle class="c1"`, "colours begin again")
	assert.NotContains(t, inPage, "nowhere", "0 has no place on a logarithmic axis")
	var b bytes.Buffer
	require.NoError(t, WriteSVG(&b, example(), &Chart{}))
	wellFormed(t, b.String())
	assert.Contains(t, b.String(), "prefers-color-scheme: dark")
}

func TestPNG(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WritePNG(&b, example(), example()))
	img, err := png.Decode(&b)
	require.NoError(t, err)
	assert.Equal(t, 2*width*scale, img.Bounds().Dx())
	seen := map[[3]uint32]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for _, c := range []int{0, 1} {
		p := palette[c]
		assert.Greater(t, seen[[3]uint32{uint32(p.R), uint32(p.G), uint32(p.B)}], 50, "colour %d", c)
	}
	assert.Greater(t, seen[[3]uint32{27, 35, 48}], 20, "text")
}

func TestAdd(t *testing.T) {
	c := &Chart{}
	c.Add("x", 1, math.NaN())
	c.Add("x", 1, math.Inf(1))
	require.Empty(t, c.Series, "what is not finite has no place")
	for k := range 10000 {
		c.Add("x", float64(k), float64(k*k))
	}
	c.Add("y", 1, 5)
	require.Len(t, c.Series, 2)
	x, y := c.axes()
	assert.Equal(t, []float64{0, 9999}, []float64{x.low, x.high})
	assert.Equal(t, float64(9999*9999), y.high)
	long := c.Series[0].thinned(x)
	assert.LessOrEqual(t, len(long), mostPoints)
	assert.InDelta(t, 4999.5, mean(long), 5, "averages")
	assert.Equal(t, c.Series[1].Points, c.Series[1].thinned(x))
	flat := &Chart{Series: []Series{{Points: []Point{{X: 3, Y: 5}}}}}
	x, y = flat.axes()
	assert.Less(t, x.low, x.high)
	assert.Less(t, y.low, y.high, "a flat curve has a plane, too")
}

func mean(points []Point) (sum float64) {
	for _, p := range points {
		sum += p.X / float64(len(points))
	}
	return sum
}

func TestTicks(t *testing.T) {
	linear := axis{low: 88, high: 100, pixels: 100}
	assert.Equal(t, []float64{88, 90, 92, 94, 96, 98, 100}, linear.ticks())
	log := axis{low: 1, high: 30, log: true, pixels: 100}
	assert.Equal(t, []float64{1, 2, 5, 10, 20}, log.ticks())
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 1234.5678: "1234.568", 1e-5: "1e-05", 2e6: "2e+06"} {
		assert.Equal(t, want, short(v))
	}
}
