package segments

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/scenes"
)

// picture is that of a scene.
func picture(s *scenes.Scene) *Picture {
	w, h := s.Image.Rect.Dx(), s.Image.Rect.Dy()
	p := &Picture{w, h, make([]float32, 3*w*h)}
	for i := range w * h {
		for c := range 3 {
			p.plane(c)[i] = float32(s.Image.Pix[4*i+c])
		}
	}
	return p
}

// block is a grey picture with one rectangle of another colour.
func block(w, h, x0, y0, x1, y1 int) *Picture {
	p := &Picture{w, h, make([]float32, 3*w*h)}
	for i := range p.Planes {
		p.Planes[i] = 128
	}
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			p.plane(0)[y*w+x], p.plane(1)[y*w+x], p.plane(2)[y*w+x] = 250, 20, 20
		}
	}
	return p
}

func extract(p *Picture, keep int) *region.Set {
	set := &region.Set{Dim: Dim}
	Extract(set, p, keep)
	return set
}

// Of the things in unseen scenes that can be seen well, nearly all have a segment that frames them.
func TestSegmentsFrameThings(t *testing.T) {
	g := scenes.New(11, &scenes.Options{Split: scenes.Val})
	things, framed, sum := 0, 0, 0.0
	for i := range 60 {
		s := g.Scene(i)
		set := extract(picture(s), 32)
		require.NoError(t, set.Validate())
		require.LessOrEqual(t, set.Len(), 33)
		for _, o := range s.Objects {
			if !o.Clear() {
				continue
			}
			var best float32
			for _, b := range set.Boxes[1:] {
				best = max(best, region.IoU(b, o.Box))
			}
			things++
			sum += float64(best)
			if best >= 0.5 {
				framed++
			}
		}
	}
	require.Greater(t, things, 100)
	assert.Greater(t, float64(framed)/float64(things), 0.9, "share of things with a segment of IoU 0.5")
	assert.Greater(t, sum/float64(things), 0.72, "mean IoU")
}

func TestExtractIsDeterministic(t *testing.T) {
	p := picture(scenes.New(3, nil).Scene(5))
	assert.Equal(t, extract(p, 24), extract(p, 24))
}

func TestOneThing(t *testing.T) {
	set := extract(block(96, 64, 30, 20, 60, 50), 8)
	require.GreaterOrEqual(t, set.Len(), 2)
	assert.Equal(t, region.Box{0, 0, 1, 1}, set.Boxes[0], "the whole picture")
	want := region.Box{30. / 96, 20. / 64, 60. / 96, 50. / 64}
	assert.Greater(t, region.IoU(set.Boxes[1], want), float32(0.85), "%v", set.Boxes[1])
	place := set.Row(1)[Dim-placeDim:]
	assert.Equal(t, set.Boxes[1][:], place[:4])
}

// Pictures in which there is nothing, or hardly a pixel, have the whole picture as their region.
func TestNothingStandsOut(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 128}, {128, 1}, {2, 3}, {64, 64}} {
		set := extract(block(size[0], size[1], 0, 0, 0, 0), 32)
		require.NoError(t, set.Validate(), "%v", size)
		assert.Equal(t, 1, set.Len(), "%v", size)
	}
}

func TestGradientsKnowDirections(t *testing.T) {
	p := block(64, 64, 32, 0, 64, 64) // an upright edge: the gradient is horizontal, of orientation 0
	out := make([]float32, gradientDim)
	gradients(out, p, region.Box{0, 0, 1, 1})
	var byOrientation [orientations]float64
	for i, v := range out {
		byOrientation[i%orientations] += float64(v)
	}
	for o, v := range byOrientation {
		if o != 0 {
			assert.Greater(t, byOrientation[0], 10*v, "orientation %d", o)
		}
	}
	for b := range blocks * blocks {
		var length float64
		for _, v := range out[b*4*orientations:][:4*orientations] {
			length += float64(v) * float64(v)
		}
		assert.LessOrEqual(t, math.Sqrt(length), 1.001, "block %d", b)
	}
}

// An outline says what share of each cell is filled, whatever the ratio of pixels and cells.
func TestOutline(t *testing.T) {
	p := &Picture{W: 40, H: 40}
	box := region.Box{0.1, 0.2, 0.85, 0.7} // 30×20 pixels from 4, 8
	var left, all []int32
	for y := 8; y < 28; y++ {
		for x := 4; x < 34; x++ {
			all = append(all, int32(y*40+x))
			if x < 19 {
				left = append(left, int32(y*40+x))
			}
		}
	}
	full, half := make([]float32, outlineDim), make([]float32, outlineDim)
	outline(full, p, box, all)
	outline(half, p, box, left)
	for i := range full {
		assert.InDelta(t, 1, full[i], 1e-4)
		want := float32(0)
		if i%outlineSide < outlineSide/2 {
			want = 1
		}
		assert.InDelta(t, want, half[i], 1e-4, "cell %d", i)
	}
}

func TestColours(t *testing.T) {
	p := block(32, 32, 0, 0, 32, 32)
	histogram, statistics := make([]float32, histogramDim), make([]float32, statisticsDim)
	pixels := make([]int32, 32*32)
	for i := range pixels {
		pixels[i] = int32(i)
	}
	colours(histogram, statistics, p, pixels)
	var sum float32
	for _, v := range histogram {
		sum += v * v
	}
	assert.InDelta(t, 1, sum, 1e-4)
	assert.InDeltaSlice(t, []float32{250. / 255, 20. / 255, 20. / 255, 0, 0, 0}, statistics, 1e-3)
}

func BenchmarkExtract(b *testing.B) {
	p := picture(scenes.New(3, nil).Scene(5))
	for b.Loop() {
		extract(p, 32)
	}
}
