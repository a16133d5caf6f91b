package lexicon

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/param"
)

// world makes a map of n words whose embeddings of 5 and weights follow from vectors of 8, as far as they were seen.
func world(n int, count func(k int) int) (*Map, *param.Set, [][]float32) {
	const dim, h = 8, 5
	rng := rand.New(rand.NewPCG(1, 2))
	m := &Map{Dim: dim}
	way := make([]float64, dim*(h+1))
	for i := range way {
		way[i] = rng.NormFloat64()
	}
	table, gates := make([]float32, (n+2)*h), make([]float32, n+2)
	want := make([][]float32, n)
	for k := range n {
		v := make([]float64, dim)
		length := 0.0
		for i := range v {
			v[i] = rng.NormFloat64()
			length += v[i] * v[i]
		}
		row := make([]float32, h+1)
		for i := range v {
			v[i] /= math.Sqrt(length)
			m.Vectors = append(m.Vectors, float32(v[i]))
			for j := range row {
				row[j] += float32(v[i] * way[i*(h+1)+j])
			}
		}
		want[k] = row
		m.IDs, m.Counts = append(m.IDs, k+2), append(m.Counts, count(k)) // the first two pieces are no words
		if count(k) > 0 {
			copy(table[(k+2)*h:], row[:h])
			gates[k+2] = row[h]
		}
	}
	p := param.NewSet()
	p.Set(nn.WordEmbeddings, []int{n + 2, h}, table)
	p.Set(nn.WordGateTable, []int{n + 2, 1}, gates)
	return m, p, want
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+float64(a[i]*b[i]), aa+float64(a[i]*a[i]), bb+float64(b[i]*b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// Words that no caption had get the embeddings that the others make likely; the others keep their own.
func TestFill(t *testing.T) {
	m, p, want := world(400, func(k int) int {
		switch {
		case k < 20:
			return 0
		case k < 40:
			return 1
		}
		return 10_000
	})
	before := slices.Clone(p.Lookup(nn.WordEmbeddings).Data)
	for id := 22; id < 42; id++ { // what one caption taught is mostly noise
		for j := range 5 {
			p.Lookup(nn.WordEmbeddings).Data[id*5+j] *= -1
		}
	}
	noisy := slices.Clone(p.Lookup(nn.WordEmbeddings).Data)
	out, err := m.Fill(p)
	require.NoError(t, err)
	table, gates := out.Lookup(nn.WordEmbeddings), out.Lookup(nn.WordGateTable)
	require.Equal(t, []int{402, 5}, table.Shape)
	for k := range 40 {
		row := table.Data[(k+2)*5 : (k+3)*5]
		assert.Greater(t, cosine(row, want[k][:5]), 0.7, "word %d", k)
		assert.InDelta(t, want[k][5], gates.Data[k+2], 0.3+0.6*math.Abs(float64(want[k][5])), "word %d", k)
	}
	assert.InDeltaSlice(t, before[42*5:], table.Data[42*5:], 0.02)
	assert.Equal(t, before[:10], table.Data[:10], "pieces that are no words stay")
	assert.Equal(t, noisy, p.Lookup(nn.WordEmbeddings).Data, "training goes on with its own")

	require.NoError(t, m.Start(p))
	assert.Greater(t, cosine(p.Lookup(nn.WordEmbeddings).Data[10:15], want[0][:5]), 0.9)
}

// From a handful of words nothing is learned.
func TestFillOfFewWords(t *testing.T) {
	m, p, _ := world(30, func(k int) int { return k % 7 / 6 * 100 })
	out, err := m.Fill(p)
	require.NoError(t, err)
	require.Same(t, p, out)
}
