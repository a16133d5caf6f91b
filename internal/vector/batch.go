package vector

import (
	"math"
	"math/bits"
	"sync"
)

// lanes is how many queries, or words, a kernel multiplies at once.
const lanes = 16

// A pack holds up to 16 int8 vectors in lanes: four consecutive values of lane 0,
// the same four of lane 1, …, then the next four. A kernel multiplies four
// values of a document with all lanes in one instruction and needs no sums
// across lanes.
type pack struct {
	code  []int8 // Stride(dim)/4 × 16 × 4
	bias  [lanes]int32
	scale [lanes]float32 // 0 in unused lanes
	plus  [lanes]float32 // added to scores by across16: −∞ in unused lanes, else 0
}

func newPack(stride int) *pack {
	p := &pack{code: make([]int8, stride*lanes)}
	for l := range p.plus {
		p.plus[l] = float32(math.Inf(-1))
	}
	return p
}

// set puts a vector of int8 codes into a lane.
func (p *pack) set(lane int, code []int8, scale float32) {
	for d := 0; d+4 <= len(code); d += 4 { // there are a multiple of 64
		copy(p.code[d*lanes+lane*4:][:4], code[d:d+4])
	}
	p.bias[lane] = offsetBias(code)
	p.scale[lane] = scale
	p.plus[lane] = 0
}

// batchRows keeps a block of 768 int8 values a row within the level-2 cache
// while all queries pass over it.
const batchRows = 256

type batchScratch struct {
	dots      [batchRows * lanes]int32
	scores    [batchRows * lanes]float32
	pass      [batchRows]uint16
	threshold [lanes]float32
}

var batchPool = sync.Pool{New: func() any { return new(batchScratch) }}

// scanTogether takes turns: each block is read from memory once and from the
// cache by the other queries.
func scanTogether(rows *Rows, queries []*Query, filter []uint64, base int, tops []*TopK) {
	step := blockRows
	for step*RowBytes(rows.Codec, rows.Dim) > 1<<19 && step > 64 {
		step /= 2
	}
	if len(queries) == 1 {
		step = max(rows.N, 1)
	}
	for at := 0; at < rows.N; at += step {
		part := rows.Slice(at, min(at+step, rows.N))
		f := filter
		if filter != nil {
			f = filter[min(at/64, len(filter)):]
		}
		for i, q := range queries {
			Scan(part, q, f, base+at, tops[i])
		}
	}
}

// A Batch holds queries that are scanned together, in one pass over memory; those for Int8 rows are packed
// for it. It saves packing them again for each piece of the rows.
type Batch struct {
	queries []*Query
	packs   []*pack // nil unless there are several Int8 queries
}

// NewBatch prepares queries, which are all for rows of one codec and dimension.
func NewBatch(queries []*Query) *Batch {
	b := &Batch{queries: queries}
	for i, q := range queries {
		if q.codec != queries[0].codec || q.dim != queries[0].dim {
			panic("vector: a batch is of queries of one codec and dimension")
		}
		if q.codec != Int8 || len(queries) == 1 {
			continue
		}
		if i%lanes == 0 {
			b.packs = append(b.packs, newPack(len(q.code)))
		}
		b.packs[i/lanes].set(i%lanes, q.code, q.scale)
	}
	return b
}

// Scan is the function Scan for many queries: tops[i] gets what Scan would give it for the query i.
func (b *Batch) Scan(rows *Rows, filter []uint64, base int, tops []*TopK) {
	if len(b.queries) == 0 {
		return
	}
	if b.packs == nil {
		scanTogether(rows, b.queries, filter, base, tops)
		return
	}
	b.queries[0].fits(rows)
	s := batchPool.Get().(*batchScratch)
	defer batchPool.Put(s)
	size := RowBytes(rows.Codec, rows.Dim)
	for at := 0; at < rows.N; at += batchRows {
		n := min(batchRows, rows.N-at)
		if passing(filter, at, n) == 0 {
			continue
		}
		codes := rows.Codes[at*size : (at+n)*size]
		scales := rows.Scales[at : at+n]
		for g, p := range b.packs {
			tops := tops[g*lanes : min((g+1)*lanes, len(b.queries))]
			for i, t := range tops {
				s.threshold[i] = t.Threshold()
			}
			kernel.dotU8x16(p.code, &p.bias, codes, s.dots[:n*lanes], nil)
			kernel.scale16(s.dots[:n*lanes], scales, &p.scale, &s.threshold, s.scores[:n*lanes], s.pass[:n])
			used := uint16(1<<len(tops) - 1)
			for i, m := range s.pass[:n] {
				if m &= used; m == 0 || filter != nil && filterWord(filter, (at+i)/64)>>(uint(at+i)%64)&1 == 0 {
					continue
				}
				for ; m != 0; m &= m - 1 {
					lane := bits.TrailingZeros16(m)
					tops[lane].Push(Hit{base + at + i, s.scores[i*lanes+lane]})
				}
			}
		}
	}
}
