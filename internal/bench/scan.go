package main

import (
	"context"
	"math/rand/v2"
	"runtime"

	"github.com/viterin/vek/vek32"

	"github.com/aladin-go/aladin/internal/vector"
	"github.com/aladin-go/aladin/scorer"
)

// scans measures exact search over matching codes: milliseconds a million rows, on
// one goroutine unless a row says otherwise.
func scans(ctx context.Context, b *bench) error {
	const k = 100
	r := rand.New(rand.NewPCG(1, 1))
	n := b.size(1_000_000, 200_000)
	rows := int8Rows(r, n)
	v := unitVectors(r, 32)
	var queries []*vector.Query
	var tops []*vector.TopK
	for i := range 32 {
		queries = append(queries, newQuery(vector.Int8, v[i*dim:(i+1)*dim], nil))
		tops = append(tops, vector.NewTopK(k))
	}
	reset := func() {
		for _, t := range tops {
			t.Reset()
		}
	}

	t := b.measure(
		func() { runtime.KeepAlive(readWords(rows.Codes)) },
		func() { runtime.KeepAlive(readVectors(rows.Codes)) },
		func() { reset(); vector.Scan(rows, queries[0], nil, 0, tops[0]) },
		func() { reset(); vector.NewBatch(queries).Scan(rows, nil, 0, tops) },
		func() {
			_, _ = (*scorer.Rows)(rows).Search(ctx, v[:dim], k, &scorer.SearchOptions{Workers: 2})
		},
	)
	if err := ctx.Err(); err != nil {
		return err
	}
	read := 0
	if t.ms(1) < t.ms(0) {
		read = 1
	}
	const unit = "ms/1M rows"
	million := 1e6 / float64(n)
	scan := t.ms(2) * million
	b.note("read bandwidth %.1f GB/s", float64(len(rows.Codes))/t.ms(read)/1e6)
	b.report(Row{Name: "int8 scan / read bandwidth", Value: scan, Unit: unit, Baseline: t.ms(read) * million, Ratio: t.speedup(2, read), Against: "plain read of the same bytes", Bar: 0.9, Lower: true})
	b.report(Row{Name: "int8 scan, batch of 32", Value: 32e3 / (t.ms(3) * million), Unit: "queries/s over 1M rows", Baseline: 1e3 / scan, Ratio: 32 * t.speedup(3, 2), Against: "single queries", Bar: 5})
	b.report(Row{Name: "int8 scan, 2 goroutines", Value: t.ms(4) * million, Unit: unit, Baseline: scan, Ratio: t.speedup(4, 2), Against: "1 goroutine", Lower: true})
	int8s := rows.Slice(0, max(n/4, 1))

	// A quarter of the rows: the same bytes as float.
	n = max(n/4, 1)
	floats := make([]float32, n*dim)
	for i := 0; i < len(floats); {
		i += copy(floats[i:], v)
	}
	f32 := &vector.Rows{Codec: vector.F32, Dim: dim, N: n, Codes: bytesOf(floats)}
	f16 := &vector.Rows{Codec: vector.F16, Dim: dim, N: n, Codes: make([]byte, n*vector.RowBytes(vector.F16, dim))}
	some, err := vector.NewRows(vector.F16, dim, v, nil)
	if err != nil {
		return err
	}
	for i := 0; i < len(f16.Codes); {
		i += copy(f16.Codes[i:], some.Codes)
	}
	f32Query, f16Query := newQuery(vector.F32, v[:dim], nil), newQuery(vector.F16, v[:dim], nil)
	t = b.measure(
		func() {
			top := tops[0]
			top.Reset()
			for i := range n {
				top.Push(vector.Hit{Pos: i, Score: vek32.Dot(v[:dim], floats[i*dim:(i+1)*dim])})
			}
		},
		func() { reset(); vector.Scan(f32, f32Query, nil, 0, tops[0]) },
		func() { reset(); vector.Scan(f16, f16Query, nil, 0, tops[0]) },
		func() { reset(); vector.Scan(int8s, queries[0], nil, 0, tops[0]) },
	)
	million = 1e6 / float64(n)
	vek := t.ms(0) * million
	b.report(Row{Name: "int8 scan / f32", Value: t.ms(3) * million, Unit: unit, Baseline: vek, Ratio: t.speedup(3, 0), Against: "vek32 f32", Bar: 3.5, Lower: true})
	b.report(Row{Name: "f16 scan", Value: t.ms(2) * million, Unit: unit, Baseline: vek, Ratio: t.speedup(2, 0), Against: "vek32 f32", Lower: true})
	b.report(Row{Name: "f32 scan", Value: t.ms(1) * million, Unit: unit, Baseline: vek, Ratio: t.speedup(1, 0), Against: "vek32 f32", Lower: true})
	return ctx.Err()
}
