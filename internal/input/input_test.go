package input

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

func text(t *testing.T) Text {
	wp, err := tokenizer.NewWordPiece([]string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "run", "##s"}, nil)
	require.NoError(t, err)
	return Text{Tokenizer: wp, MaxCaption: 6, MaxLabels: 4, FirstLabel: wp.CLS()}
}

func TestCaption(t *testing.T) {
	in := text(t)
	c := in.Caption("A dog runs")
	require.Equal(t, []int64{2, 5, 6, 7, 8, 3}, c.IDs)
	require.Equal(t, 6, c.Pieces[3].Start, "the third piece starts at \"runs\"")
	require.Equal(t, []int64{2, 3}, in.Caption("").IDs)
	require.Len(t, in.Caption(strings.Repeat("dog ", 10_000)).IDs, 6)
}

func TestPadCaptions(t *testing.T) {
	c := PadCaptions([][]int64{{2, 5, 3}, {2, 5, 6, 7, 3}}, 0)
	require.Equal(t, 5, c.T)
	require.Equal(t, []int64{2, 5, 3, 0, 0, 2, 5, 6, 7, 3}, c.IDs)
	require.Equal(t, []int64{1, 1, 1, 0, 0, 1, 1, 1, 1, 1}, c.Mask)
	require.Equal(t, MinTokens, PadCaptions([][]int64{{2, 3}}, 0).T)
	one, err := PadImages([][]int64{{2, 3}}, []*region.Set{{Dim: 2, Features: []float32{1, 2}, Boxes: make([]region.Box, 1)}}, 0, 2, 0)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 0}, one.RegionMask, "room for what the released alignment cuts")
}

func TestPadImages(t *testing.T) {
	in := text(t)
	sets := []*region.Set{
		{Features: []float32{1, 2}, Dim: 2, Boxes: make([]region.Box, 1)},
		{Features: []float32{3, 4, 5, 6, 7, 8}, Dim: 2, Boxes: make([]region.Box, 3)},
	}
	m, err := PadImages([][]int64{in.Labels([]string{"dog"}), in.Labels([]string{"dog", "dog", "dog"})}, sets, 2, 2, 0)
	require.NoError(t, err)
	require.Equal(t, 2, m.R)
	require.Equal(t, []float32{1, 2, 0, 0, 3, 4, 5, 6}, m.Regions)
	require.Equal(t, []int64{1, 0, 1, 1}, m.RegionMask)
	require.Equal(t, []int64{2, 6, 3, 0, 2, 6, 6, 3}, m.LabelIDs)
	require.Equal(t, []int64{0, 1, 1, 0, 0, 1, 1, 1}, m.LabelTypes)

	_, err = PadImages([][]int64{{2, 3}}, sets[:1], 2, 3, 0)
	require.ErrorIs(t, err, region.ErrInvalid)
	_, err = PadImages([][]int64{{2, 3}}, []*region.Set{{Dim: 2}}, 2, 2, 0)
	require.ErrorIs(t, err, region.ErrInvalid)
}
