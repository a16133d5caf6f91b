package evalcmd

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/scenes"
)

// A model that knows which things a picture shows finds them all; one that knows colours alone does not.
func TestConcepts(t *testing.T) {
	for _, blind := range []bool{false, true} {
		things := scenes.ColourShapeQueries()
		const shapes = 12
		dim := len(things) + shapes
		encode := func(shown func(q *scenes.Query) bool) []float32 {
			v := make([]float32, dim)
			for k := range things {
				if shown(&things[k]) {
					v[k], v[len(things)+k/11] = 1, 1
					if blind { // every thing of a colour is like every other
						v[k] = 0
						v[len(things)+k/11] = 0
						v[k%11] = 1
					}
				}
			}
			return v
		}
		g := scenes.New(5, &scenes.Options{Split: scenes.Test})
		d := &data{imageVectors: eval.Vectors{Dim: dim}}
		for i := range 300 {
			s := g.Describe(i)
			d.scenes, d.images = append(d.scenes, s), append(d.images, s.ID)
			d.imageVectors.Data = append(d.imageVectors.Data, encode(func(q *scenes.Query) bool { return q.AnsweredBy(s) })...)
		}
		d.encodeText = func(_ context.Context, text string) (*index.Encoding, error) {
			v := encode(func(q *scenes.Query) bool { return strings.Contains(text, q.Text) })
			for k, q := range scenes.ShapeQueries() {
				if text == q.Text {
					v[len(things)+k] = 1
				}
			}
			return &index.Encoding{Kind: index.Caption, Model: "unknown", Matching: v}, nil
		}
		e := &evaluation{settings: &settings{}, d: d, doc: &document{}, tell: func(string, int) *progress.Task { return nil }}
		c, err := e.searched(t.Context())
		require.NoError(t, err)
		require.NoError(t, e.knowConcepts(t.Context(), c))
		require.NoError(t, c.close())
		assert.NoDirExists(t, c.folder)
		got := e.doc.Concepts
		assert.Greater(t, got.Queries.ColourShape, 120)
		assert.Equal(t, shapes, got.Queries.Shape)
		assert.Greater(t, got.Queries.Pair, 200)
		if blind {
			assert.Less(t, got.ColourShapeP1, .5)
			assert.Less(t, got.PairP1, .5)
			continue
		}
		assert.Equal(t, 1., got.PairP1)
		assert.InDelta(t, 1, got.ColourShapeP1, .05, "things of the colour and of the shape may outweigh the thing")
		assert.InDelta(t, 1, got.ColourShapeP5, .05)
		assert.InDelta(t, 1, got.ShapeP10, 1e-6)
	}
}
