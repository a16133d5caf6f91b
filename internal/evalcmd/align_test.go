package evalcmd

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/vector"
)

func TestAlignByHand(t *testing.T) {
	// Two regions and a null region; three words, of which the last takes no part and the second counts half.
	images := &tokens{dim: 2, start: []int{0, 3, 3}, data: []float32{1, 0, 0, 1, 0, 0}}
	captions := &tokens{dim: 2, start: []int{0, 3, 4}, data: []float32{.6, .8, -1, -1, 1, 0, 0, 1}, weights: []float32{1, .5, 0, 1}}
	a, err := newAligner(images, captions, align.Mode{}, "f32")
	require.NoError(t, err)
	dst := make([]float32, 4)
	require.NoError(t, a.Rows([]int{0, 1}, dst))
	// Word 2 is unlike both regions; the null region gives it 0. The second image has no region.
	assert.Equal(t, []float32{.8, 1, 0, 0}, dst)
	require.NoError(t, a.Pairs(0, []int32{1, 0}, dst))
	assert.Equal(t, []float32{1, .8}, dst[:2])

	r, err := (&data{imageTokens: images, captionTokens: captions}).exact(0, 0)
	require.NoError(t, err)
	assert.Equal(t, []vector.Best{{Region: 1, Similarity: .8}, {Region: 2}, {Region: -1}}, r.Best)
}

// All precisions agree as far as they can, for pairs and for whole rows, in one gallery and in several.
func TestAlignPrecisions(t *testing.T) {
	d := synthetic(30, 3, .4)
	n, m := len(d.images), len(d.captions)
	exact := make([]float32, n*m)
	reference, err := newAligner(d.imageTokens, d.captionTokens, align.Mode{}, "f32")
	require.NoError(t, err)
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	require.NoError(t, reference.Rows(all, exact))
	for precision, tolerance := range map[string]float64{"f32": 0, "f16": .003, "int8": .06} {
		a, err := newAligner(d.imageTokens, d.captionTokens, align.Mode{}, precision)
		require.NoError(t, err)
		rows := make([]float32, n*m)
		require.NoError(t, a.Rows(all, rows))
		assert.InDeltaSlice(t, exact, rows, tolerance, precision)
		pair := make([]float32, 1)
		for range 50 {
			i, c := rand.IntN(n), rand.IntN(m)
			require.NoError(t, a.Pairs(i, []int32{int32(c)}, pair))
			require.Equal(t, rows[i*m+c], pair[0], "the same score in a row and alone")
		}
		split, err := eval.Folds(n, 5)
		require.NoError(t, err)
		w := within(a, split.Galleries(d.owner))
		require.NotEqual(t, a.fingerprint(), w.fingerprint())
		part := make([]float32, n*m)
		require.NoError(t, w.Rows(all, part))
		for i := range n {
			for c := range m {
				want := float32(0)
				if split.Fold[i] == split.Fold[d.owner[c]] {
					want = rows[i*m+c]
				}
				require.Equal(t, want, part[i*m+c])
			}
		}
	}
	_, err = newAligner(d.imageTokens, d.captionTokens, align.Mode{}, "4bit")
	require.Error(t, err)
}

// BenchmarkAlign is 64 images of 34 regions against 200 captions of 12 words, 768 dimensions.
func BenchmarkAlign(b *testing.B) {
	const dim, regions, words, captions = 768, 34, 12, 200
	make1 := func(items, each int) *tokens {
		t := &tokens{dim: dim, start: []int{0}, data: make([]float32, items*each*dim)}
		for k := range t.data {
			t.data[k] = rand.Float32() - .5
		}
		for k := range items {
			t.start = append(t.start, (k+1)*each)
		}
		return t
	}
	im, ca := make1(64, regions), make1(captions, words)
	images := make([]int, 64)
	for i := range images {
		images[i] = i
	}
	dst := make([]float32, 64*captions)
	for _, precision := range []string{"f32", "f16", "int8"} {
		b.Run(precision, func(b *testing.B) {
			a, err := newAligner(im, ca, align.Mode{}, precision)
			require.NoError(b, err)
			for b.Loop() {
				require.NoError(b, a.Rows(images, dst))
			}
			b.ReportMetric(float64(b.N*len(dst))/b.Elapsed().Seconds(), "pairs/s")
		})
	}
}
