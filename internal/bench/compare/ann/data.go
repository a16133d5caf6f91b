//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/bench/crossmodal"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/vector"
)

// set is items and queries of one dimension, and what an exact search finds.
type set struct {
	name    string
	dim     int
	items   []float32
	queries []float32
	truth   [][]int32 // for each query, the best k items, best first
}

func (s *set) n() int               { return len(s.items) / s.dim }
func (s *set) item(i int) []float32 { return s.items[i*s.dim : (i+1)*s.dim] }
func (s *set) query(i int) []float32 {
	return s.queries[i*s.dim : (i+1)*s.dim]
}

// generate draws images, which captions of other images look for.
func generate(n, queries, dim int) *set {
	s := &set{name: fmt.Sprintf("generated, %d × %d", n, dim), dim: dim, items: make([]float32, n*dim), queries: make([]float32, queries*dim)}
	w := crossmodal.New(rand.New(rand.NewPCG(7, 7)), dim)
	for i := range n {
		w.Image(s.item(i))
	}
	unseen := make([]float32, dim)
	for i := range queries {
		w.Caption(s.query(i), w.Image(unseen))
	}
	return s
}

// load reads items.f32 and queries.f32 of a folder: rows of little-endian float32.
func load(folder string, dim int) (*set, error) {
	s := &set{name: folder, dim: dim}
	for name, to := range map[string]*[]float32{"items.f32": &s.items, "queries.f32": &s.queries} {
		path := filepath.Join(folder, name)
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if len(b) == 0 || len(b)%(4*dim) != 0 {
			return nil, fmt.Errorf("%s: %d bytes are no rows of %d floats", path, len(b), dim)
		}
		*to = elem.Load[float32](b)
	}
	return s, nil
}

// save writes what load reads, and truth.i32.
func (s *set) save(folder string) error {
	var truth []int32
	for _, t := range s.truth {
		truth = append(truth, t...)
	}
	return errors.Join(
		write(filepath.Join(folder, "items.f32"), s.items),
		write(filepath.Join(folder, "queries.f32"), s.queries),
		write(filepath.Join(folder, "truth.i32"), truth),
	)
}

func write[T float32 | int32](path string, v []T) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(binary.Write(w, binary.LittleEndian, v), w.Flush(), f.Close())
}

// findTruth searches all items in floats.
func (s *set) findTruth(ctx context.Context, k int) error {
	queries := len(s.queries) / s.dim
	s.truth = make([][]int32, queries)
	stride := vector.Stride(s.dim)
	if stride != s.dim {
		return fmt.Errorf("%d values: want a multiple of 64", s.dim)
	}
	rows := &vector.Rows{Codec: vector.F32, Dim: s.dim, N: s.n(), Codes: elem.Bytes(s.items)}
	const together = 32
	return vector.InPieces(ctx, queries, together, 0, func(lo, hi int) {
		var qs []*vector.Query
		var tops []*vector.TopK
		for i := lo; i < hi; i++ {
			q, err := vector.NewQuery(vector.F32, s.query(i), nil)
			if err != nil {
				panic(err) // the dimension is that of the items
			}
			qs, tops = append(qs, q), append(tops, vector.NewTopK(k))
		}
		vector.NewBatch(qs).Scan(rows, nil, 0, tops)
		for i, t := range tops {
			for _, h := range t.Hits() {
				s.truth[lo+i] = append(s.truth[lo+i], int32(h.Pos))
			}
		}
	})
}
