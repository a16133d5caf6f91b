package scenes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQueries(t *testing.T) {
	plain, coloured := ShapeQueries(), ColourShapeQueries()
	require.Len(t, plain, 12)
	require.Len(t, coloured, 132)
	assert.Equal(t, "a ball", plain[0].Text)
	assert.Equal(t, "an orange ball", coloured[1].Text)
	texts := map[string]bool{}
	for _, q := range append(plain, coloured...) {
		assert.False(t, texts[q.Text], q.Text)
		texts[q.Text] = true
	}

	g := New(3, &Options{Split: Test})
	pairs := 0
	for i := range 200 {
		s := g.Describe(i)
		for _, q := range coloured {
			shown := false
			for _, o := range s.Objects {
				shown = shown || queryFor(Term{Shape: o.Shape, Colour: o.Colour}).Text == q.Text
			}
			assert.Equal(t, shown, q.AnsweredBy(s), "%s in scene %d", q.Text, i)
		}
		if q, ok := s.PairQuery(); ok {
			pairs++
			assert.True(t, q.AnsweredBy(s), q.Text)
		}
	}
	assert.Greater(t, pairs, 150)
}
