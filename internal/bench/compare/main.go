// Command compare times the kernels on vectors that another engine is timed
// on too. The script run beside it makes the vectors and calls both:
//
//	internal/bench/compare/run [rows]
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aladin-go/aladin/internal/vector"
)

const (
	queryCount = 32
	coarse     = 1000 // candidates of bits that are rescored
)

func main() {
	log.SetFlags(0)
	rows := flag.String("rows", "", "`file` of float32 rows")
	queries := flag.String("queries", "", "`file` of float32 queries")
	dim := flag.Int("dim", 768, "values of a row")
	k := flag.Int("k", 100, "results")
	generate := flag.Int("generate", 0, "write `n` rows to the files, and stop")
	flag.Parse()
	if *generate > 0 {
		if err := write(*rows, *queries, *generate, *dim); err != nil {
			log.Fatal("compare: ", err)
		}
		return
	}
	if err := compare(*rows, *queries, *dim, *k); err != nil {
		log.Fatal("compare: ", err)
	}
}

// write makes clustered vectors, as embeddings are: rows around 500 centres and queries
// near rows.
func write(rowsPath, queriesPath string, n, dim int) error {
	r := rand.New(rand.NewPCG(1, 2))
	centres := make([]float32, 500*dim)
	for i := range centres {
		centres[i] = float32(r.NormFloat64())
	}
	near := func(v []float32, spread float32) []float32 {
		out := make([]float32, dim)
		var s float64
		for d := range out {
			out[d] = v[d] + spread*float32(r.NormFloat64())
			s += float64(out[d]) * float64(out[d])
		}
		for d := range out {
			out[d] /= float32(math.Sqrt(s))
		}
		return out
	}
	rows := make([]float32, 0, n*dim)
	for range n {
		c := r.IntN(500) * dim
		rows = append(rows, near(centres[c:c+dim], 1)...)
	}
	queries := make([]float32, 0, queryCount*dim)
	for range queryCount {
		i := r.IntN(n) * dim
		queries = append(queries, near(rows[i:i+dim], 0.02)...)
	}
	if err := writeFloats(rowsPath, rows); err != nil {
		return err
	}
	return writeFloats(queriesPath, queries)
}

func writeFloats(path string, v []float32) error {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return os.WriteFile(path, b, 0o644)
}

func readFloats(path string, dim int) ([]float32, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b)%(4*dim) != 0 {
		return nil, fmt.Errorf("%s: %d bytes are no rows of %d floats", path, len(b), dim)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v, nil
}

func compare(rowsPath, queriesPath string, dim, k int) error {
	x, err := readFloats(rowsPath, dim)
	if err != nil {
		return err
	}
	q, err := readFloats(queriesPath, dim)
	if err != nil {
		return err
	}
	if len(q) < queryCount*dim {
		return fmt.Errorf("%s: fewer than %d queries", queriesPath, queryCount)
	}
	var exact [][]vector.Hit
	var int8Rows *vector.Rows
	for _, codec := range []vector.Codec{vector.F32, vector.F16, vector.Int8, vector.Bits} {
		rows, err := vector.NewRows(codec, dim, x, nil)
		if err != nil {
			return err
		}
		var queries, fine []*vector.Query
		for i := range queryCount {
			v := q[i*dim : (i+1)*dim]
			p, err := vector.NewQuery(codec, v, nil)
			if err != nil {
				return err
			}
			queries = append(queries, p)
			if p, err = vector.NewQuery(vector.Int8, v, nil); err != nil {
				return err
			}
			fine = append(fine, p)
		}
		search := func(n int) [][]vector.Hit { return scan(rows, queries[:n], k) }
		name := codec.String()
		if codec == vector.Int8 {
			int8Rows = rows
		}
		if codec == vector.Bits {
			report("bits, not rescored", search, exact, k)
			name = fmt.Sprintf("bits, %d rescored with int8", coarse)
			search = func(n int) [][]vector.Hit {
				found := scan(rows, queries[:n], coarse)
				for i, hits := range found {
					indices := make([]int, len(hits))
					for j, h := range hits {
						indices[j] = h.Pos
					}
					top := vector.NewTopK(k)
					vector.Rescore(int8Rows, fine[i], indices, 0, top)
					found[i] = top.Hits()
				}
				return found
			}
		}
		if exact == nil {
			exact = search(queryCount)
		}
		report(name, search, exact, k)
	}
	return nil
}

func scan(rows *vector.Rows, queries []*vector.Query, k int) [][]vector.Hit {
	tops := make([]*vector.TopK, len(queries))
	for i := range tops {
		tops[i] = vector.NewTopK(k)
	}
	vector.NewBatch(queries).Scan(rows, nil, 0, tops)
	hits := make([][]vector.Hit, len(queries))
	for i, t := range tops {
		hits[i] = t.Hits()
	}
	return hits
}

func report(name string, search func(n int) [][]vector.Hit, exact [][]vector.Hit, k int) {
	found := search(queryCount)
	hit := 0
	for i := range found {
		want := map[int]bool{}
		for _, h := range exact[i] {
			want[h.Pos] = true
		}
		for _, h := range found[i] {
			if want[h.Pos] {
				hit++
			}
		}
	}
	line, _ := json.Marshal(map[string]any{
		"engine": "scorer (" + vector.Kernel() + ")", "what": name,
		"ms_single": best(5, func() { search(1) }), "ms_batch": best(3, func() { search(queryCount) }) / queryCount,
		"recall": float64(hit) / float64(queryCount*k),
	})
	fmt.Println(string(line))
}

// best is the shortest of some runs, in milliseconds.
func best(rounds int, f func()) float64 {
	shortest := time.Duration(math.MaxInt64)
	for range rounds {
		start := time.Now()
		f()
		shortest = min(shortest, time.Since(start))
	}
	return float64(shortest.Microseconds()) / 1e3
}
