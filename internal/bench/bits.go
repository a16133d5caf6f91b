package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/aladin-go/aladin/internal/bench/crossmodal"
	"github.com/aladin-go/aladin/internal/vector"
)

// bits measures sign codes with int8 rescoring on vectors of two modalities: what
// they gain in time over an int8 scan, and what of its hits they find.
func bits(ctx context.Context, b *bench) error {
	const k, queries = 100, 32
	n := b.size(1_000_000, 200_000)
	w := crossmodal.New(rand.New(rand.NewPCG(3, 3)), dim)

	// Means of some images and captions, as an index takes them.
	const some = 4000
	imageMean, textMean := make([]float32, dim), make([]float32, dim)
	v := make([]float32, dim)
	mean := func(sum, v []float32) {
		for d, x := range v {
			sum[d] += x / some
		}
	}
	for range some {
		c := w.Image(v)
		mean(imageMean, v)
		w.Caption(v, c)
		mean(textMean, v)
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
		c := w.Image(v)
		exact.Scales[i] = vector.EncodeRow(vector.Int8, exact.Codes[i*dim:], v, nil)
		vector.EncodeRow(vector.Bits, shifted.Codes[i*size:], v, imageMean)
		vector.EncodeRow(vector.Bits, raw.Codes[i*size:], v, nil)
		if i%(n/queries) == 0 && len(texts) < queries {
			w.Caption(v, c)
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
