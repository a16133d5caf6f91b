package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/aladin-go/aladin/internal/vector"
)

// bits measures sign codes with int8 rescoring on vectors of two modalities: what
// they gain in time over an int8 scan, and what of its hits they find.
func bits(ctx context.Context, b *bench) error {
	const k, queries = 100, 32
	n := b.size(1_000_000, 200_000)
	w := newWorld(rand.New(rand.NewPCG(3, 3)))

	// Means of some images and captions, as an index takes them.
	const some = 4000
	imageMean, textMean := make([]float32, dim), make([]float32, dim)
	v := make([]float32, dim)
	for range some {
		c := w.image(v)
		addTo(imageMean, v, 1.0/some)
		w.caption(v, c)
		addTo(textMean, v, 1.0/some)
	}
	exact := &vector.Rows{Codec: vector.Int8, Dim: dim, N: n, Codes: make([]byte, n*dim), Scales: make([]float32, n)}
	size := vector.RowBytes(vector.Bits, dim)
	coarse := func() *vector.Rows {
		return &vector.Rows{Codec: vector.Bits, Dim: dim, N: n, Codes: make([]byte, n*size)}
	}
	shifted, raw := coarse(), coarse()
	var texts [][]float32
	for i := range n {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		c := w.image(v)
		exact.Scales[i] = vector.EncodeRow(vector.Int8, exact.Codes[i*dim:], v, nil)
		vector.EncodeRow(vector.Bits, shifted.Codes[i*size:], v, imageMean)
		vector.EncodeRow(vector.Bits, raw.Codes[i*size:], v, nil)
		if i%(n/queries) == 0 && len(texts) < queries {
			w.caption(v, c)
			texts = append(texts, slices.Clone(v))
		}
	}

	var exactQueries, shiftedQueries, rawQueries []*vector.Query
	for _, t := range texts {
		exactQueries = append(exactQueries, newQuery(vector.Int8, t, nil))
		shiftedQueries = append(shiftedQueries, newQuery(vector.Bits, t, textMean))
		rawQueries = append(rawQueries, newQuery(vector.Bits, t, nil))
	}
	tops := make([]*vector.TopK, len(texts))
	for i := range tops {
		tops[i] = vector.NewTopK(k)
	}
	vector.NewBatch(exactQueries).Scan(exact, nil, 0, tops)
	recall := func(rows *vector.Rows, qs []*vector.Query, candidates int) float64 {
		found, first := 0, vector.NewCandidates(candidates)
		for i, q := range qs {
			first.Reset()
			first.Scan(rows, q, nil, 0)
			is := first.Rows()
			for _, h := range tops[i].Hits() {
				if _, ok := slices.BinarySearch(is, h.Pos); ok {
					found++
				}
			}
		}
		return float64(found) / float64(k*len(qs))
	}
	for _, c := range []int{500, 1000, 2000, 5000} {
		on, off := recall(shifted, shiftedQueries, c), recall(raw, rawQueries, c)
		b.report(Row{Name: fmt.Sprintf("bits, %d rescored, recall@%d of captions on images", c, k), Value: on, Unit: "of the int8 scan's hits", Baseline: off, Against: "without the shift"})
		if err := ctx.Err(); err != nil {
			return err
		}
	}

	top := vector.NewTopK(k)
	next := 0 // each run takes the next query
	search := func(candidates int) func() {
		first := vector.NewCandidates(candidates)
		return func() {
			i := next % queries
			first.Reset()
			top.Reset()
			first.Scan(shifted, shiftedQueries[i], nil, 0)
			vector.Rescore(exact, exactQueries[i], first.Rows(), 0, top)
		}
	}
	t := b.measure(
		func() { next++; top.Reset(); vector.Scan(exact, exactQueries[next%queries], nil, 0, top) },
		search(1000), search(2000),
	)
	million := 1e6 / float64(n)
	for i, c := range []int{1000, 2000} {
		b.report(Row{Name: fmt.Sprintf("bits scan + int8 rescoring of %d", c), Value: t.ms(i+1) * million, Unit: "ms/1M rows",
			Baseline: t.ms(0) * million, Ratio: t.speedup(i+1, 0), Against: "int8 scan", Bar: 6, Lower: true})
	}
	return ctx.Err()
}

// A world is a distribution of image and caption vectors that resembles those of
// trained encoders: an image shows a few things out of many, common ones more often, a
// caption names some of them, both with noise of their own; and all images lie on
// one side of the sphere, all captions on another.
type world struct {
	r                   *rand.Rand
	things              [][]float32
	popular             *rand.Zipf
	imageSide, textSide []float32
}

const shownThings, namedThings = 6, 3

func newWorld(r *rand.Rand) *world {
	w := &world{r: r, popular: rand.NewZipf(r, 1.1, 50, 3999)}
	side := unitVectors(r, 2)
	w.imageSide, w.textSide = side[:dim], side[dim:]
	all := unitVectors(r, 4000)
	for i := 0; i < len(all); i += dim {
		w.things = append(w.things, all[i:i+dim])
	}
	return w
}

// image draws an image and returns what it shows.
func (w *world) image(v []float32) (shown [shownThings]int) {
	clear(v)
	addTo(v, w.imageSide, 1)
	for i := range shown {
		shown[i] = int(w.popular.Uint64())
		addTo(v, w.things[shown[i]], 0.25+0.5*w.r.Float32())
	}
	w.finish(v)
	return shown
}

// caption draws a caption of an image.
func (w *world) caption(v []float32, shown [shownThings]int) {
	clear(v)
	addTo(v, w.textSide, 1)
	for i := range namedThings {
		addTo(v, w.things[shown[i]], 0.5+0.5*w.r.Float32())
	}
	w.finish(v)
}

// finish adds noise and makes a unit vector.
func (w *world) finish(v []float32) {
	const noise = 0.5 // its length, beside 1 of the side
	scale := float32(noise / math.Sqrt(dim) * 2 * math.Sqrt(3))
	var sum float64
	for d := 0; d < dim; d += 4 {
		x := w.r.Uint64()
		for j := range 4 {
			y := v[d+j] + scale*(float32(uint16(x>>(16*j)))/65536-0.5)
			v[d+j] = y
			sum += float64(y) * float64(y)
		}
	}
	inv := float32(1 / math.Sqrt(sum))
	for d := range v {
		v[d] *= inv
	}
}

// addTo adds scale·w to v.
func addTo(v, w []float32, scale float32) {
	for i, x := range w {
		v[i] += scale * x
	}
}
