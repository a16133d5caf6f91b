package input_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

const dim = testmodel.CLIPDim

func clipText(t *testing.T) input.Text {
	t.Helper()
	if !ort.Available() {
		t.Skip("ONNX Runtime is not there: run make setup")
	}
	graph, merges := testmodel.CLIP(t, 1)
	tower, err := clip.Open(graph, merges)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tower.Close()) })
	return input.Text{MaxCaption: 6, MaxLabels: 4, CLIP: &input.CLIP{Tower: tower, Captions: dim, Labels: dim}}
}

func TestCLIPCaptions(t *testing.T) {
	in := clipText(t)
	const text = "a photo of dog the red cat" // seven words, of which six positions leave room for four
	long, short := in.Caption(text), in.Caption("dog")
	require.Equal(t, len(long.Pieces), 6)
	last := long.Pieces[5]
	require.Equal(t, in.CLIP.Tower.Tokenizer.End(), last.ID)
	require.Equal(t, "a photo of dog ", text[:last.Start], "words past the fourth are cut")
	require.Equal(t, "photo", text[long.Pieces[2].Start:long.Pieces[2].End])
	require.Greater(t, len(long.IDs), 5)
	split := in.Caption("dddd eeee") // letters: more tokens than positions
	require.Len(t, split.Pieces, 6)
	require.Greater(t, len(split.IDs), 6)

	b, err := in.PadCaptions(t.Context(), [][]int64{short.IDs, split.IDs})
	require.NoError(t, err)
	require.Equal(t, [3]int{2, 6, dim}, [3]int{b.B, b.T, b.Dim})
	require.Equal(t, []int64{1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1}, b.Mask)
	require.Contains(t, b.Tensors(), "clip")
	states, err := in.CLIP.Tower.States(t.Context(), [][]int64{short.IDs, split.IDs})
	require.NoError(t, err)
	near(t, states[0], b.Vectors[:3*dim])
	near(t, make([]float32, 3*dim), b.Vectors[3*dim:6*dim])
	near(t, states[1][:5*dim], b.Vectors[6*dim:11*dim])
	near(t, states[1][len(states[1])-dim:], b.Vectors[11*dim:]) // the end token stays the last

	in.CLIP.Captions = 5
	_, err = in.PadCaptions(t.Context(), [][]int64{short.IDs})
	require.ErrorContains(t, err, "gives 12 numbers a token, the network reads 5")
}

func TestCLIPLabels(t *testing.T) {
	in := clipText(t)
	in.CLIP.Aggregate = true
	sets := []*region.Set{{Dim: 2, Features: []float32{1, 2}, Boxes: make([]region.Box, 1)}, {Dim: 2, Features: []float32{3, 4}, Boxes: make([]region.Box, 1)}}
	b, err := in.PadImages(t.Context(), [][]string{{"dog", "cat", "dog", "red", "photo", "the"}, {"cat"}}, sets, 0, 2)
	require.NoError(t, err)
	require.Equal(t, [3]int{2, 4, dim}, [3]int{b.B, b.L, b.LabelDim})
	require.Equal(t, []int64{1, 1, 1, 1, 1, 1, 0, 0}, b.LabelMask)
	require.Equal(t, []int64{0, 1, 1, 1, 0, 1, 0, 0}, b.LabelTypes)
	require.Equal(t, []float32{1, 2, 0, 0, 3, 4, 0, 0}, b.Regions)
	require.Contains(t, b.Tensors(), "label_clip")
	var want []float32
	for _, s := range []string{"start of the sequence", "a photo of two dogs", "a photo of a cat", "a photo of a red", "start of the sequence", "a photo of a cat"} {
		states, err := in.CLIP.Tower.States(t.Context(), [][]int64{tokenizer.IDs(in.CLIP.Tower.Tokenizer.Encode(s, 0))})
		require.NoError(t, err)
		want = append(want, states[0][len(states[0])-dim:]...)
	}
	near(t, append(want, make([]float32, 2*dim)...), b.LabelVectors)

	_, err = in.PadImages(t.Context(), [][]string{{"dog"}}, sets[:1], 0, 3)
	require.ErrorIs(t, err, region.ErrInvalid)
	in.CLIP.Labels = 7
	_, err = in.PadImages(t.Context(), [][]string{{"dog"}}, sets[:1], 0, 2)
	require.ErrorContains(t, err, "gives 12 numbers a sentence, the network reads 7")
	require.Len(t, in.Caption(strings.Repeat("dog ", 1000)).Pieces, 6)
}

func near(t *testing.T, want, got []float32) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.False(t, math.Abs(float64(want[i]-got[i])) > 1e-5, "value %d is %v, want %v", i, got[i], want[i])
	}
}
