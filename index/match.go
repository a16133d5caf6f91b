package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aladin-go/aladin/internal/vector"
)

// accepts says whether an encoding can be a query.
func (sn *snapshot) accepts(q *Encoding) error {
	if q == nil {
		return fmt.Errorf("%w query: no encoding", ErrInvalid)
	}
	if m := sn.r.Manifest().Model; q.Model != m && len(sn.segments) > 0 {
		return fmt.Errorf("%s: %w", sn.r.Name(), modelMismatch(q.Model, m))
	}
	return q.check(sn.store.dim, sn.store.tokenDim)
}

// found is a row and its score.
type found struct {
	seg, row int
	score    float32
}

// hits turns rows into what the caller sees, copying out of the file.
func (sn *snapshot) hits(fs []found) ([]Hit, error) {
	hits := make([]Hit, len(fs))
	for i, f := range fs {
		s := sn.segments[f.seg]
		id, err := s.id(f.row)
		if err != nil {
			return nil, err
		}
		match := min(f.score, 1)
		hits[i] = Hit{ID: string(id), Kind: s.kind(f.row), Score: match, Match: match, MatchRank: i + 1, at: location{f.seg, f.row}}
	}
	return hits, nil
}

// best sorts by score, then id, and keeps the first k.
func (sn *snapshot) best(fs []found, k int) []found {
	slices.SortFunc(fs, func(a, b found) int {
		if c := cmp.Compare(b.score, a.score); c != 0 {
			return c
		}
		return sn.compareIDs(a.seg, a.row, b.seg, b.row)
	})
	return fs[:min(k, len(fs))]
}

// matcher recalls items by their matching vectors: the K with the largest inner product
// for each query, best first, ties by id. The result does not depend on the number of threads or the CPU.
type matcher struct {
	sn      *snapshot
	opts    *SearchOptions
	threads int
}

// piece is what a worker scans at a time: the rows from…to.
type piece struct {
	seg, from, to int
	filter        []uint64 // of the rows from…to; nil lets all pass
}

// pieceRows is a multiple of 64, so that filters can be cut: some 12 MB of
// 768-dimensional int8, half a millisecond of work.
const pieceRows = 1 << 14

func (m *matcher) run(ctx context.Context, qs []*Encoding) ([][]found, error) {
	if len(qs) == 0 || len(m.sn.segments) == 0 {
		return make([][]found, len(qs)), nil
	}
	rows, err := m.allowed()
	if err != nil {
		return nil, err
	}
	k := min(m.opts.K, rows.total)
	if m.probes(rows.total) {
		return m.probe(ctx, qs, rows, k)
	}
	st := m.sn.store
	queries := make([]*vector.Query, len(qs))
	for i, q := range qs {
		centre := st.queryCentre
		if q.Kind == m.sn.segments[0].kind(0) {
			centre = st.centre // more like this
		}
		if queries[i], err = vector.NewQuery(st.opts.Match, q.Matching, centre); err != nil {
			return nil, fmt.Errorf("%w query: %v", ErrInvalid, err)
		}
	}
	coarse := k
	if st.rescores() {
		coarse = min(max(bitsCandidates*k, bitsMinCandidates), rows.total)
	}
	out, err := m.scan(ctx, queries, m.pieces(rows), coarse)
	if err != nil {
		return nil, err
	}
	for i := range out {
		switch {
		case st.rescores():
			if out[i], err = m.rescore(qs[i], out[i], k); err != nil {
				return nil, err
			}
		case st.opts.Match == Bits:
			// The share of equal signs, on the scale of a cosine.
			for j := range out[i] {
				out[i][j].score /= float32(st.dim)
			}
		}
		out[i] = m.sn.best(out[i], k)
	}
	return out, nil
}

// probe looks each query up in its nearest cells.
func (m *matcher) probe(ctx context.Context, qs []*Encoding, rows *allowedRows, k int) ([][]found, error) {
	out := make([][]found, len(qs))
	if k == 0 {
		return out, nil
	}
	err := m.sn.parallel(ctx, m.threads, len(qs), func(next func() (int, bool)) error {
		for i, ok := next(); ok; i, ok = next() {
			p, err := newProber(m.sn, qs[i], rows, k)
			if err != nil {
				return err
			}
			fs, err := p.run(qs[i].Matching, m.opts.Probe, k)
			if err != nil {
				return err
			}
			out[i] = m.sn.best(fs, k)
		}
		return nil
	})
	return out, err
}

// Bits codes are coarse: this many times K, and at least so many candidates are
// scored again with int8.
const (
	bitsCandidates    = 20
	bitsMinCandidates = 1000
)

// rescore scores the candidates of a coarse scan, which come in the order of the
// file, exactly and keeps the best k of each segment.
func (m *matcher) rescore(q *Encoding, fs []found, k int) ([]found, error) {
	sq, err := vector.NewQuery(vector.Int8, q.Matching, nil)
	if err != nil {
		return nil, err
	}
	var out []found
	for len(fs) > 0 {
		seg := fs[0].seg
		var rows []int
		for len(fs) > 0 && fs[0].seg == seg {
			rows = append(rows, fs[0].row)
			fs = fs[1:]
		}
		top := vector.NewTopK(k)
		vector.Rescore(m.sn.segments[seg].rescore, sq, rows, 0, top)
		for _, h := range top.Hits() {
			out = append(out, found{seg, h.Pos, h.Score})
		}
	}
	return out, nil
}

// allowedRows are the rows that the filters let pass.
type allowedRows struct {
	filters [][]uint64 // by segment; nil lets all pass
	n       []int      // by segment
	total   int
}

func (m *matcher) allowed() (*allowedRows, error) {
	a := &allowedRows{}
	for _, s := range m.sn.segments {
		filter, n, err := m.opts.allowed(s)
		if err != nil {
			return nil, err
		}
		a.filters, a.n, a.total = append(a.filters, filter), append(a.n, n), a.total+n
	}
	return a, nil
}

// pieces cuts them into work for workers.
func (m *matcher) pieces(rows *allowedRows) (out []piece) {
	for i, s := range m.sn.segments {
		if rows.n[i] == 0 {
			continue
		}
		for from := 0; from < s.n; from += pieceRows {
			p := piece{seg: i, from: from, to: min(from+pieceRows, s.n)}
			if filter := rows.filters[i]; filter != nil {
				p.filter = filter[from/64 : (p.to+63)/64]
			}
			out = append(out, p)
		}
	}
	return out
}

// parallel runs work on up to threads goroutines, each guarded against faults.
func (sn *snapshot) parallel(ctx context.Context, threads, n int, work func(next func() (int, bool)) error) error {
	return parallel(ctx, sn.guard, threads, n, work)
}

// parallel runs work on up to threads goroutines, each inside guard.
// next hands out the numbers 0…n-1 until all are taken or ctx ends.
func parallel(ctx context.Context, guard func(func() error) error, threads, n int, work func(next func() (int, bool)) error) error {
	threads = max(min(threads, n), 1)
	var taken atomic.Int64
	next := func() (int, bool) {
		if ctx.Err() != nil {
			return 0, false
		}
		i := int(taken.Add(1)) - 1
		return i, i < n
	}
	errs := make([]error, threads)
	var wg sync.WaitGroup
	for t := 1; t < threads; t++ {
		wg.Go(func() {
			errs[t] = guard(func() error { return work(next) })
		})
	}
	errs[0] = guard(func() error { return work(next) })
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return err
	}
	return ctx.Err()
}
