package calibrate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

func scenesData(n int) *Data {
	d := &Data{}
	gen := scenes.New(3, nil)
	for i := range n {
		s := gen.Scene(i)
		d.Images = append(d.Images, aladin.Image(s.Image))
		for _, c := range s.Captions {
			d.Captions = append(d.Captions, dataset.Caption{Image: i, Text: c.Text})
		}
	}
	return d
}

// The bundle gets what was measured, and measured again it is the same; photos that cannot be read are left out, and
// what cannot be measured leaves the bundle as it is.
func TestBundle(t *testing.T) {
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	dir := testmodel.New(t, testmodel.Options{})
	d := scenesData(12)
	d.Images[4] = aladin.Input{Name: "damaged", Data: []byte("no picture")}
	told := 0
	c, err := Bundle(t.Context(), dir, d, Options{Progress: func(done, total int) {
		require.Equal(t, told+1, done)
		require.Equal(t, 12+60, total)
		told = done
	}})
	require.NoError(t, err)
	require.Equal(t, 72, told)
	require.Equal(t, []int{11, 55}, []int{c.Images, c.Captions})
	require.Contains(t, weights, c.MatchWeight)
	b, err := bundle.Open(dir)
	require.NoError(t, err)
	require.Equal(t, c, b.Manifest.Calibration)
	again, err := Bundle(t.Context(), dir, d, Options{Threads: 1})
	require.NoError(t, err)
	require.Equal(t, c, again)

	c, err = Bundle(t.Context(), dir, scenesData(1), Options{})
	require.NoError(t, err)
	require.Nil(t, c)
	b, err = bundle.Open(dir)
	require.NoError(t, err)
	require.Equal(t, again, b.Manifest.Calibration)
}

// Of two scores that are right about different halves of the pictures, the sum is right about all: neither alone is
// chosen, and the weight does not depend on the scores' scales.
func TestFuse(t *testing.T) {
	const n = 40
	matrix := func(right func(i int) bool, scale float32) *eval.Matrix {
		m := &eval.Matrix{Images: n, Captions: n, Data: make([]float32, n*n)}
		for i := range n {
			for c := range n {
				v := float32((i*7+c*13)%11) / 40
				if i == c && right(i) {
					v++
				}
				m.Data[i*n+c] = v * scale
			}
		}
		return m
	}
	s := &sample{align: matrix(func(i int) bool { return i%2 == 0 }, 5), match: matrix(func(i int) bool { return i%2 == 1 }, 0.1)}
	for i := range n {
		s.owner = append(s.owner, i)
	}
	s.images, s.captions = make([]*aladin.Encoding, n), make([]*aladin.Encoding, n)
	c, err := s.fuse(t.Context(), 1)
	require.NoError(t, err)
	require.InDelta(t, 1, c.MatchWeight, 0.5)
	require.InDelta(t, 50*c.MatchWeight, c.MatchScale(), 5)

	s.match = &eval.Matrix{Images: n, Captions: n, Data: make([]float32, n*n)}
	c, err = s.fuse(t.Context(), 1)
	require.NoError(t, err)
	require.Nil(t, c, "a score that is the same for all cannot be scaled")
}

func TestSmoothest(t *testing.T) {
	require.Equal(t, 4, smoothest([]float64{1, 9, 1, 7, 8, 7, 1}), "a single peak is noise")
	require.Equal(t, 0, smoothest([]float64{3, 2, 1}))
}
