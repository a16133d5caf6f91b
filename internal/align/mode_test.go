package align

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two regions along the axes, a null region and one that takes no part; two words, of which one counts half.
func TestModesByHand(t *testing.T) {
	image := Side{Tokens: []float32{1, 0, 0, 1, 0, 0, .6, .8}, Weights: []float32{1, 1, 1, 0}}
	caption := Side{Tokens: []float32{.6, .8, 0, -1, 1, 0}, Weights: []float32{1, .5, 0}}
	// similarities: region 1: .6, 0; region 2: .8, −1; null region: 0, 0
	for _, c := range []struct {
		mode     string
		released bool
		want     float64
	}{
		{"", false, .8 + 0}, {"MrSw", false, .8}, {"MrAVGw", false, .8}, {"MrCOSw", false, .8},
		{"MwSr", false, .6 + .8}, {"symm", false, .8 + 1.4},
		{"sum", false, .6 + .8 - 1}, {"mean", false, .4 / 6}, {"mean", true, .4 / 4760},
	} {
		m, err := ParseMode(c.mode, c.released)
		require.NoError(t, err)
		assert.InDelta(t, c.want, m.Score(2, caption, image), 1e-6, "%s %v", c.mode, c.released)
	}
	against := Side{Tokens: []float32{-1, 0, 0, -1}}
	for released, want := range map[bool]float64{false: -1.4, true: 0} {
		m, err := ParseMode("MwSr", released)
		require.NoError(t, err)
		assert.InDelta(t, want, m.Score(2, Side{Tokens: []float32{.6, .8}}, against), 1e-6, "padding is a word of similarity 0")
	}
	_, err := ParseMode("MaxSim", false)
	require.ErrorContains(t, err, "MwSr")
}

func TestCrossAttentionByHand(t *testing.T) {
	m, err := ParseMode("scan-sentences", false)
	require.NoError(t, err)
	// One word: whatever attends, attends to it, so that the score is the sum of the cosines.
	assert.InDelta(t, .6+.8, m.Score(2, Side{Tokens: []float32{.6, .8}}, Side{Tokens: []float32{1, 0, 0, 1}}), 1e-6)
	// One region with two words at right angles: attention e and 1 to 0.5 each is (e, 1)/(e+1).
	e := 2.718281828
	want := e / math.Sqrt(e*e+1)
	assert.InDelta(t, want, m.Score(2, Side{Tokens: []float32{1, 0, 0, 1}}, Side{Tokens: []float32{1, 0}}), 1e-6)
}

// Sides without tokens that take part score 0 in every mode.
func TestModesOfNothing(t *testing.T) {
	some, none := Side{Tokens: []float32{1, 0}}, Side{Tokens: []float32{1, 0}, Weights: []float32{0}}
	for _, name := range modes {
		m, err := ParseMode(name, false)
		require.NoError(t, err)
		for _, pair := range [][2]Side{{none, some}, {some, none}, {none, none}, {Side{}, some}} {
			assert.Zero(t, m.Score(2, pair[0], pair[1]), name)
		}
		assert.Equal(t, name == "MrSw" || name == "MrAVGw" || name == "MrCOSw", m.MaxSim(), name)
	}
}
