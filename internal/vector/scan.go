package vector

import (
	"math/bits"
	"sync"
)

// blockRows is how many rows a kernel scores before their scores are looked at.
// A multiple of 64, so that blocks begin at whole words of a filter.
const blockRows = 256

// scanScratch lives in a pool: kernels are called through variables, so the
// compiler would move it to the heap at each call.
type scanScratch struct {
	dots   [blockRows]int32
	scores [blockRows]float32
	pass   [blockRows / 64]uint64
}

var scanPool = sync.Pool{New: func() any { return new(scanScratch) }}

// Scan scores all rows that pass the filter against q and pushes them on top
// with position base+i. Bit i%64 of filter[i/64] lets row i pass; a nil filter lets
// all pass, and rows beyond a short filter do not pass.
//
// The score is the inner product for F32, F16 and Int8 and dim − 2·(number of
// different signs) for Bits. Scan panics if q was made for other rows.
func Scan(rows *Rows, q *Query, filter []uint64, base int, top *TopK) {
	q.fits(rows)
	s := scanPool.Get().(*scanScratch)
	defer scanPool.Put(s)
	for at := 0; at < rows.N; at += blockRows {
		n := min(blockRows, rows.N-at)
		wanted := passing(filter, at, n)
		switch {
		case wanted == 0:
			continue
		case wanted*4 < n:
			s.scanSparse(rows, q, filter, at, base, top)
			continue
		}
		s.score(rows, q, at, n, top.Threshold())
		if filter != nil {
			for w := range s.pass {
				s.pass[w] &= filterWord(filter, at/64+w)
			}
		}
		for w, m := range s.pass[:(n+63)/64] {
			for ; m != 0; m &= m - 1 {
				i := w*64 + bits.TrailingZeros64(m)
				top.Push(Hit{base + at + i, s.scores[i]})
			}
		}
	}
}

// passing returns how many of the n rows from at on pass; at is a multiple of 64.
func passing(filter []uint64, at, n int) int {
	if filter == nil {
		return n
	}
	wanted := 0
	for w := 0; w*64 < n; w++ {
		m := filterWord(filter, at/64+w)
		if left := n - w*64; left < 64 {
			m &= 1<<left - 1
		}
		wanted += bits.OnesCount64(m)
	}
	return wanted
}

func filterWord(filter []uint64, w int) uint64 {
	if w < len(filter) {
		return filter[w]
	}
	return 0
}

// scanSparse scores the few rows of a block that pass, one by one.
func (s *scanScratch) scanSparse(rows *Rows, q *Query, filter []uint64, at, base int, top *TopK) {
	end := min(at+blockRows, rows.N)
	for w := at / 64; w*64 < end; w++ {
		for m := filterWord(filter, w); m != 0; m &= m - 1 {
			i := w*64 + bits.TrailingZeros64(m)
			if i >= end {
				break
			}
			s.score(rows, q, i, 1, top.Threshold())
			if s.pass[0] != 0 {
				top.Push(Hit{base + i, s.scores[0]})
			}
		}
	}
}

// score fills scores with those of n ≤ blockRows rows from at on, and pass with
// a bit for each that reaches the threshold. Bits beyond n are 0.
func (s *scanScratch) score(rows *Rows, q *Query, at, n int, threshold float32) {
	size := RowBytes(rows.Codec, rows.Dim)
	codes := rows.Codes[at*size : (at+n)*size]
	switch rows.Codec {
	case Int8:
		kernel.dotU8(q.code, q.bias, codes, s.dots[:n])
		kernel.scale(s.dots[:n], rows.Scales[at:at+n], q.scale, threshold, s.scores[:n], s.pass[:])
		return
	case F32:
		kernel.dotF32(q.float, codes, s.scores[:n])
	case F16:
		kernel.dotF16(q.float, codes, s.scores[:n])
	case Bits:
		kernel.hamming(q.bits, codes, s.dots[:n])
		kernel.signs(s.dots[:n], int32(rows.Dim), threshold, s.scores[:n], s.pass[:])
		return
	}
	s.pass = [len(s.pass)]uint64{}
	for i, x := range s.scores[:n] {
		if x >= threshold {
			s.pass[i/64] |= 1 << (i % 64)
		}
	}
}

// Rescore scores the rows with the given indices and pushes them with position
// base+index. It is for candidates of a coarser scan; indices in ascending order
// are read fastest.
func Rescore(rows *Rows, q *Query, indices []int, base int, top *TopK) {
	q.fits(rows)
	s := scanPool.Get().(*scanScratch)
	defer scanPool.Put(s)
	size := RowBytes(rows.Codec, rows.Dim)
	const ahead = 6
	for j, i := range indices {
		if j+ahead < len(indices) {
			next := indices[j+ahead]
			kernel.prefetch(rows.Codes[next*size : (next+1)*size])
		}
		s.score(rows, q, i, 1, top.Threshold())
		if s.pass[0] != 0 {
			top.Push(Hit{base + i, s.scores[0]})
		}
	}
}
