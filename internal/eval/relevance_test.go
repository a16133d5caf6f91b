package eval

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"A dog  catches a frisbee .": "a|dog|catches|a|frisbee",
		"Don't touch the T-shirt!":   "don't|touch|the|t-shirt",
		"'quoted' - dashed -x- end'": "quoted|dashed|x|end",
		"Élan, 3 cafés; 犬":           "élan|3|cafés|犬",
		" . ":                        "",
	} {
		assert.Equal(t, want, strings.Join(Words(text), "|"), text)
	}
}

func TestRougeByHand(t *testing.T) {
	captions := []string{
		"the dog runs fast", "a dog sits", // image 0
		"the dog runs", "the black cat runs very fast", // image 1
		"nothing alike", // image 2
		"?",             // image 3
	}
	owner := []int{0, 0, 1, 1, 2, 3}
	r, err := NewRouge(captions, owner, 4)
	require.NoError(t, err)
	dst := make([]float64, 4)
	r.Caption(0, dst)
	// Against image 1: "the dog runs" shares 3 of 4 words with P = 3/4, R = 1; "the … runs … fast" shares 3, R = 3/6.
	p, rec := 3./4, 1.
	want := (1 + 1.44) * p * rec / (rec + 1.44*p)
	assert.Equal(t, 1.0, dst[0])
	assert.InDelta(t, want, dst[1], 1e-15)
	assert.InDelta(t, 0.8798076923076923, dst[1], 1e-15)
	assert.Zero(t, dst[2])
	assert.Zero(t, dst[3])

	// P and R may come from different references: "a b" against "a b c d e f" and "a".
	r, err = NewRouge([]string{"a b", "a b c d e f", "a"}, []int{0, 1, 1}, 2)
	require.NoError(t, err)
	r.Caption(0, dst[:2])
	assert.Equal(t, 1.0, dst[1]) // P = 1 of the first, R = 1 of the second

	_, err = NewRouge([]string{"a"}, []int{1}, 1)
	require.ErrorIs(t, err, ErrInput)
	_, err = NewRouge([]string{"a"}, nil, 1)
	require.ErrorIs(t, err, ErrInput)
}

// Both readings of the matrix agree, with each other and with the plain definition, for captions of
// every length around the width of a machine word.
func TestRougeAgainstDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var captions []string
	var owner []int
	for c, length := range []int{0, 1, 2, 5, 12, 31, 63, 64, 65, 66, 128, 200, 7, 9} {
		words := make([]string, length)
		for k := range words {
			words[k] = string(rune('a' + rnd.IntN(9)))
		}
		captions = append(captions, strings.Join(words, " "))
		owner = append(owner, c%5)
	}
	r, err := NewRouge(captions, owner, 5)
	require.NoError(t, err)
	byCaption, byImage := make([]float64, 5), make([]float64, len(captions))
	for i := range 5 {
		r.Image(i, byImage)
		for c := range captions {
			r.Caption(c, byCaption)
			var p, rec float64
			for ref := range captions {
				if owner[ref] == i && len(captions[ref]) > 0 && len(captions[c]) > 0 {
					a, b := strings.Fields(captions[c]), strings.Fields(captions[ref])
					l := float64(plainLCS(a, b))
					p, rec = max(p, l/float64(len(a))), max(rec, l/float64(len(b)))
				}
			}
			require.Equal(t, fMeasure(p, rec), byCaption[i])
			require.Equal(t, byCaption[i], byImage[c])
		}
	}
}

func plainLCS(a, b []string) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	t := make([][]int, len(a)+1)
	t[0] = make([]int, len(b)+1)
	for i := range a {
		t[i+1] = make([]int, len(b)+1)
		for j := range b {
			if a[i] == b[j] {
				t[i+1][j+1] = t[i][j] + 1
			} else {
				t[i+1][j+1] = max(t[i][j+1], t[i+1][j])
			}
		}
	}
	return t[len(a)][len(b)]
}

func TestNDCGByHand(t *testing.T) {
	table, err := NewTable(3, 2, []int{2, 3}, []float32{
		1, .5, 0,
		0, 0, 0,
	})
	require.NoError(t, err)
	g := Gallery{[]int{0, 1, 2}, []int{0, 1}}
	lists := &Lists{
		T2I: [][]Hit{{{Index: 1}, {Index: 2}, {Index: 0}}, {{Index: 0}, {Index: 1}, {Index: 2}}},
		I2T: [][]Hit{{{Index: 1}, {Index: 0}}, {{Index: 0}, {Index: 1}}, {{Index: 0}, {Index: 1}}},
	}
	m, err := NDCG(ctx, lists, g, table, 25, nil)
	require.NoError(t, err)
	half := math.Sqrt2 - 1 // 2^0.5 − 1
	assert.InDelta(t, (half+1/math.Log2(4))/(1+half/math.Log2(3)), m.T2I[0], 1e-15)
	assert.True(t, math.IsNaN(m.T2I[1])) // nothing is relevant
	assert.InDelta(t, 1/math.Log2(3), m.I2T[0], 1e-15)
	assert.Equal(t, 1.0, m.I2T[1])
	assert.True(t, math.IsNaN(m.I2T[2]))
	i2t, t2i := m.Values()
	assert.InDelta(t, (1/math.Log2(3)+1)/2, i2t, 1e-15)
	assert.Equal(t, m.T2I[0], t2i)

	// Cut at 2 the best image is missed; the ideal is cut likewise.
	m, err = NDCG(ctx, lists, g, table, 2, nil)
	require.NoError(t, err)
	assert.InDelta(t, half/(1+half/math.Log2(3)), m.T2I[0], 1e-15)

	// In a gallery without image 0 the ideal is image 1.
	m, err = NDCG(ctx, &Lists{T2I: [][]Hit{{{Index: 1}, {Index: 0}}}, I2T: [][]Hit{{{Index: 0}}, {{Index: 0}}}},
		Gallery{[]int{1, 2}, []int{0}}, table, 25, nil)
	require.NoError(t, err)
	assert.InDelta(t, 1/math.Log2(3), m.T2I[0], 1e-15)
}

func TestTableErrors(t *testing.T) {
	for _, bad := range []struct {
		shape []int
		data  []float32
		want  string
	}{
		{[]int{3, 2}, make([]float32, 6), "shape [3 2], want [2 3]"},
		{[]int{6}, make([]float32, 6), "shape [6]"},
		{[]int{2, 3}, make([]float32, 5), "5 values"},
		{[]int{2, 3}, []float32{0, 0, 0, 0, float32(math.NaN()), 0}, "caption 1 and image 1 is NaN"},
		{[]int{2, 3}, []float32{0, 0, -1, 0, 0, 0}, "caption 0 and image 2 is -1"},
	} {
		_, err := NewTable(3, 2, bad.shape, bad.data)
		require.ErrorIs(t, err, ErrInput)
		assert.ErrorContains(t, err, bad.want)
	}
	table, _ := NewTable(1, 1, []int{1, 1}, []float32{1})
	_, err := NDCG(ctx, &Lists{}, Gallery{[]int{0}, []int{0}}, table, 25, nil)
	require.ErrorIs(t, err, ErrInput)
}

func TestPrecisionByHand(t *testing.T) {
	// Caption 0 is right for images 0, 2, 3; the ranking is 2, 1, 0, 3: of the first three, places 1 and 3.
	rel, err := Pairs(4, 2, [][2]int{{0, 0}, {0, 2}, {0, 3}})
	require.NoError(t, err)
	lists := &Lists{
		T2I: [][]Hit{{{Index: 2}, {Index: 1}, {Index: 0}, {Index: 3}}, {{Index: 0}}},
		I2T: [][]Hit{{{Index: 0}}, {{Index: 0}}, {{Index: 1}}, {{Index: 0}}},
	}
	ap, rp := Precision(lists, rel)
	assert.InDelta(t, (1+2./3)/3, ap.T2I[0], 1e-15)
	assert.InDelta(t, 2./3, rp.T2I[0], 1e-15)
	assert.True(t, math.IsNaN(ap.T2I[1]))
	assert.Equal(t, []float64{1, 0, 1}, []float64{ap.I2T[0], ap.I2T[2], ap.I2T[3]})
	assert.True(t, math.IsNaN(ap.I2T[1]))
	i2t, _ := rp.Values()
	assert.InDelta(t, 2./3, i2t, 1e-15)
}
