package evalcmd

import (
	"context"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/scenes"
)

// concepts are shares, 0…1, of what queries for single things and pairs of things find among generated scenes, of
// which everything is known. They are searched for as a user does, in an index. A share is over the queries that
// enough scenes answer.
type concepts struct {
	ColourShapeP1 float64 `json:"color_shape_p1"` // "a red mug": the first hit shows one
	ColourShapeP5 float64 `json:"color_shape_p5"` // of the first five hits, where five scenes show one
	ShapeP10      float64 `json:"shape_p10"`      // "a mug": of the first ten hits, where ten scenes show one
	PairP1        float64 `json:"pair_p1"`        // "a red mug behind a blue ball": the first hit shows both
	Grounding     float64 `json:"grounding"`      // nouns of captions whose best region finds the thing
	Queries       struct {
		ColourShape int `json:"color_shape"`
		Shape       int `json:"shape"`
		Pair        int `json:"pair"`
	} `json:"queries"`
}

// mostPairs is how many scenes lend a query for two things.
const mostPairs = 500

// knowConcepts asks a collection of generated scenes for what they show.
func (e *evaluation) knowConcepts(ctx context.Context, c *collection) error {
	d := e.d
	if d.scenes == nil {
		return nil
	}
	coloured, plain := scenes.ColourShapeQueries(), scenes.ShapeQueries()
	var pairs []scenes.Query
	asked := map[string]bool{}
	for _, s := range d.scenes {
		if q, ok := s.PairQuery(); ok && !asked[q.Text] && len(pairs) < mostPairs {
			pairs, asked[q.Text] = append(pairs, q), true
		}
	}
	p := e.tell("asking for things", len(coloured)+len(plain)+len(pairs))
	defer p.Done()
	out := &concepts{}
	var err error
	ask := func(share *float64, queries []scenes.Query, k int) (n int) {
		if err == nil {
			*share, n, err = e.askConcepts(ctx, c, queries, k, func() { p.Add(1) })
		}
		return n
	}
	out.Queries.ColourShape = ask(&out.ColourShapeP1, coloured, 1)
	ask(&out.ColourShapeP5, coloured, 5)
	out.Queries.Shape = ask(&out.ShapeP10, plain, 10)
	out.Queries.Pair = ask(&out.PairP1, pairs, 1)
	if err != nil {
		return err
	}
	if e.doc.Grounding != nil {
		out.Grounding = *e.doc.Grounding
	}
	e.doc.Concepts = out
	return nil
}

// askConcepts is the mean precision of the first k hits over the n queries that at least k scenes answer.
func (e *evaluation) askConcepts(ctx context.Context, c *collection, queries []scenes.Query, k int, done func()) (precision float64, n int, err error) {
	d := e.d
	for _, q := range queries {
		done()
		answers := 0
		for _, s := range d.scenes {
			if q.AnsweredBy(s) {
				answers++
			}
		}
		if answers < k {
			continue
		}
		enc, err := d.encodeText(ctx, q.Text)
		if err != nil {
			return 0, 0, err
		}
		hits, err := c.Search(ctx, enc, &index.SearchOptions{K: k, NoExplain: true})
		if err != nil {
			return 0, 0, err
		}
		n++
		for _, i := range c.images(hits) {
			if i >= 0 && i < len(d.scenes) && q.AnsweredBy(d.scenes[i]) {
				precision += 1 / float64(k)
			}
		}
	}
	return precision / float64(max(1, n)), n, nil
}
