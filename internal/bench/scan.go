package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"

	"github.com/viterin/vek/vek32"

	"github.com/aladin-go/aladin/scorer"
)

// scans measures exact search over matching codes: milliseconds a million rows, on
// one goroutine unless a row says otherwise.
func scans(ctx context.Context, b *bench) error {
	const k = 100
	r := rand.New(rand.NewPCG(1, 1))
	n := b.size(1_000_000, 200_000)
	perMillion := func(n int) float64 { return 1e6 / float64(n) }
	rows := int8Rows(r, n)
	v := unitVectors(r, 32)
	var queries []*scorer.Query
	var tops []*scorer.TopK
	for i := range 32 {
		queries = append(queries, newQuery(scorer.Int8, v[i*dim:(i+1)*dim]))
		tops = append(tops, scorer.NewTopK(k))
	}
	reset := func() {
		for _, t := range tops {
			t.Reset()
		}
	}
	bits := &scorer.Rows{Codec: scorer.Bits, Dim: dim, N: n, Codes: make([]byte, n*scorer.Bits.RowBytes(dim))}
	randomBytes(r, bits.Codes)
	bitQuery, coarse := newQuery(scorer.Bits, v[:dim]), scorer.NewTopK(10*k)

	t := b.best(
		func() { runtime.KeepAlive(readWords(rows.Codes)) },
		func() { runtime.KeepAlive(readVectors(rows.Codes)) },
		func() { reset(); scorer.Scan(rows, queries[0], nil, 0, tops[0]) },
		func() {
			coarse.Reset()
			reset()
			scorer.Scan(bits, bitQuery, nil, 0, coarse)
			hits := coarse.Hits()
			indices := make([]int, len(hits))
			for i, h := range hits {
				indices[i] = h.Pos
			}
			slices.Sort(indices) // in the order of memory
			scorer.Rescore(rows, queries[0], indices, 0, tops[0])
		},
		func() { reset(); scorer.ScanBatch(rows, queries, nil, 0, tops) },
		func() {
			_, _ = scorer.Search(ctx, []scorer.Segment{{Rows: rows}}, queries[:1], k, 2)
		},
	)
	if err := ctx.Err(); err != nil {
		return err
	}
	t[1] = min(t[0], t[1])
	t = t[1:]
	million := perMillion(n)
	read, scan, coarseScan, batch, two := milliseconds(t[0])*million, milliseconds(t[1])*million,
		milliseconds(t[2])*million, milliseconds(t[3])*million, milliseconds(t[4])*million
	b.note("read bandwidth %.1f GB/s", float64(len(rows.Codes))/t[0].Seconds()/1e9)
	rows, bits = nil, nil

	// The same bytes as float: a quarter of the rows.
	n = max(n/4, 1)
	floats := make([]float32, n*dim)
	for i := 0; i < len(floats); {
		i += copy(floats[i:], v)
	}
	f32 := &scorer.Rows{Codec: scorer.F32, Dim: dim, N: n, Codes: bytesOf(floats)}
	f16 := &scorer.Rows{Codec: scorer.F16, Dim: dim, N: n, Codes: make([]byte, n*scorer.F16.RowBytes(dim))}
	some, err := scorer.NewRows(scorer.F16, dim, v, nil)
	if err != nil {
		return err
	}
	for i := 0; i < len(f16.Codes); {
		i += copy(f16.Codes[i:], some.Codes)
	}
	f32Query, f16Query := newQuery(scorer.F32, v[:dim]), newQuery(scorer.F16, v[:dim])
	t = b.best(
		func() {
			top := tops[0]
			top.Reset()
			for i := range n {
				top.Push(scorer.Hit{Pos: i, Score: vek32.Dot(v[:dim], floats[i*dim:(i+1)*dim])})
			}
		},
		func() { reset(); scorer.Scan(f32, f32Query, nil, 0, tops[0]) },
		func() { reset(); scorer.Scan(f16, f16Query, nil, 0, tops[0]) },
	)
	million = perMillion(n)
	vek := milliseconds(t[0]) * million

	const unit = "ms/1M rows"
	b.report(Row{Name: "int8 scan / read bandwidth", Value: scan, Unit: unit, Baseline: read, Against: "plain read of the same bytes", Bar: 0.9, Lower: true})
	b.report(Row{Name: "int8 scan / f32", Value: scan, Unit: unit, Baseline: vek, Against: "vek32 f32", Bar: 3.5, Lower: true})
	b.report(Row{Name: "int8 scan, batch of 32", Value: 32e3 / batch, Unit: "queries/s over 1M rows", Baseline: 1e3 / scan, Against: "single queries", Bar: 5})
	b.report(Row{Name: "bits scan + int8 rescoring of 1000", Value: coarseScan, Unit: unit, Baseline: scan, Against: "int8 scan", Bar: 6, Lower: true})
	b.report(Row{Name: "int8 scan, 2 goroutines", Value: two, Unit: unit, Baseline: scan, Against: "1 goroutine", Lower: true})
	b.report(Row{Name: "f16 scan", Value: milliseconds(t[2]) * million, Unit: unit, Baseline: vek, Against: "vek32 f32", Lower: true})
	b.report(Row{Name: "f32 scan", Value: milliseconds(t[1]) * million, Unit: unit, Baseline: vek, Against: "vek32 f32", Lower: true})
	return nil
}
