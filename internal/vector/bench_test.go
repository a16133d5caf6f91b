package vector

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func randomInt8(n, dim int) *Rows {
	r := &Rows{Codec: Int8, Dim: dim, N: n, Codes: make([]byte, n*Stride(dim)), Scales: make([]float32, n)}
	s := rand.New(rand.NewPCG(1, 1))
	for i := range r.Codes {
		r.Codes[i] = byte(s.Uint32()>>24) | 1
	}
	for i := range r.Scales {
		r.Scales[i] = 0.001
	}
	return r
}

func BenchmarkScan(b *testing.B) {
	const n, dim = 60000, 768
	src := rand.New(rand.NewPCG(3, 3))
	v := unit(src, 64, dim)
	for _, c := range []Codec{Int8, F16, F32, Bits} {
		rows := &Rows{Codec: c, Dim: dim, N: n, Codes: make([]byte, n*RowBytes(c, dim))}
		if c == Int8 {
			rows = randomInt8(n, dim)
		} else {
			part, _ := NewRows(c, dim, v, nil)
			for i := 0; i < len(rows.Codes); {
				i += copy(rows.Codes[i:], part.Codes)
			}
		}
		q, _ := NewQuery(c, v[:dim], nil)
		for _, k := range available() {
			b.Run(fmt.Sprintf("%v/%s", c, k.name), func(b *testing.B) {
				defer UseKernel(k.name)()
				b.SetBytes(int64(len(rows.Codes)))
				top := NewTopK(100)
				for b.Loop() {
					top.Reset()
					Scan(rows, q, nil, 0, top)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
			})
		}
	}
}

func BenchmarkScanBatch32(b *testing.B) {
	const n, dim = 60000, 768
	rows := randomInt8(n, dim)
	v := unit(rand.New(rand.NewPCG(3, 3)), 32, dim)
	var qs []*Query
	var tops []*TopK
	for i := range 32 {
		q, _ := NewQuery(Int8, v[i*dim:(i+1)*dim], nil)
		qs, tops = append(qs, q), append(tops, NewTopK(100))
	}
	for _, k := range available() {
		b.Run(k.name, func(b *testing.B) {
			defer UseKernel(k.name)()
			for b.Loop() {
				for _, t := range tops {
					t.Reset()
				}
				NewBatch(qs).Scan(rows, nil, 0, tops)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/32, "ns/row/query")
		})
	}
}

func BenchmarkMaxSim(b *testing.B) {
	const dim, regions, words, docs = 768, 34, 16, 4000
	src := rand.New(rand.NewPCG(3, 3))
	v := unit(src, 512, dim)
	for _, c := range []Codec{Int8, F16, Residual4, Residual2} {
		t, err := NewTokens(c, dim)
		if err != nil {
			if t, err = TrainTokens(b.Context(), c, dim, v, &TrainOptions{Centroids: 256, Iterations: 1}); err != nil {
				b.Fatal(err)
			}
		}
		one, _ := t.AppendBlock(nil, v[:regions*dim], nil)
		file := make([]byte, 0, docs*len(one))
		var blocks [][]byte
		for range docs {
			file = append(file, one...)
		}
		for range 1000 {
			i := src.IntN(docs) * len(one)
			blocks = append(blocks, file[i:i+len(one)])
		}
		m, _ := NewMaxSim(t, v[:words*dim], nil)
		scores := make([]float32, len(blocks))
		for _, k := range available() {
			if k == generic && testing.Short() {
				continue
			}
			b.Run(fmt.Sprintf("%v/%s", c, k.name), func(b *testing.B) {
				defer UseKernel(k.name)()
				for b.Loop() {
					m.Score(blocks, scores)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ms/1000")
			})
		}
	}
}

func BenchmarkMaxSimReverse(b *testing.B) {
	const dim, regions, words = 768, 34, 16
	v := unit(rand.New(rand.NewPCG(3, 3)), 512, dim)
	for _, c := range []Codec{Int8, Residual2} {
		t, err := NewTokens(c, dim)
		if err != nil {
			if t, err = TrainTokens(b.Context(), c, dim, v, &TrainOptions{Centroids: 256, Iterations: 1}); err != nil {
				b.Fatal(err)
			}
		}
		block, _ := t.AppendBlock(nil, v[:words*dim], nil)
		blocks := make([][]byte, 1000)
		for i := range blocks {
			blocks[i] = block
		}
		m, _ := NewMaxSim(t, v[:regions*dim], nil)
		scores := make([]float32, len(blocks))
		b.Run(c.String(), func(b *testing.B) {
			for b.Loop() {
				m.ScoreReverse(blocks, nil, scores)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ms/1000")
		})
	}
}

func BenchmarkEncodeTokens(b *testing.B) {
	const dim, regions = 768, 34
	v := unit(rand.New(rand.NewPCG(3, 3)), 2048, dim)
	for _, c := range tokenCodecs {
		t, err := NewTokens(c, dim)
		if err != nil {
			if t, err = TrainTokens(b.Context(), c, dim, v, &TrainOptions{Centroids: 1024, Iterations: 1}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(c.String(), func(b *testing.B) {
			var block []byte
			for b.Loop() {
				block, _ = t.AppendBlock(block[:0], v[:regions*dim], nil)
			}
		})
	}
}

func BenchmarkAssign(b *testing.B) {
	const dim, n, k = 768, 2048, 1024
	rows := randomInt8(n, dim)
	a := NewAssigner(unit(rand.New(rand.NewPCG(3, 3)), k, dim), dim, true)
	nearest := make([]uint32, n)
	for b.Loop() {
		if err := a.Assign(b.Context(), rows, nearest, 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/k, "ns/pair")
}

func BenchmarkNewMaxSim(b *testing.B) {
	const dim, words = 768, 16
	v := unit(rand.New(rand.NewPCG(3, 3)), 512, dim)
	for _, c := range tokenCodecs {
		t, err := NewTokens(c, dim)
		if err != nil {
			if t, err = TrainTokens(b.Context(), c, dim, v, &TrainOptions{Centroids: 1024, Iterations: 1}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(c.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := NewMaxSim(t, v[:words*dim], nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSigns bounds the inner products of 20,000 rows.
func BenchmarkSigns(b *testing.B) {
	for _, dim := range []int{128, 256, 768} {
		b.Run(fmt.Sprint(dim), func(b *testing.B) {
			const n = 20000
			r := inputs{Rand: rand.New(rand.NewPCG(1, 1))}
			s := &Signs{Dim: dim, N: n, Codes: r.bytes(n * dim / 8), Factors: r.floats(n, true)}
			q, _ := NewSignQuery(r.floats(dim, true), 2)
			var out SignBounds
			for b.Loop() {
				for at := 0; at+MaxSignRows <= n; at += MaxSignRows {
					q.Bounds(&out, s, at, at+MaxSignRows, 1e9)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}

func BenchmarkRotate(b *testing.B) {
	v := make([]float32, 768)
	for i := range v {
		v[i] = float32(i)
	}
	r := NewRotator(len(v))
	for b.Loop() {
		r.Rotate(v)
	}
}
