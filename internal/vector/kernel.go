package vector

//go:generate sh gen/gen.sh avx2
//go:generate sh gen/gen.sh avx512
//go:generate sh gen/gen.sh neon

// kernels is one complete set of inner loops: its assembly, and pure Go where that has none. All sets compute
// the same bits. Lengths are checked by the callers; stride stands for a multiple of 64.
type kernels struct {
	name string
	asm  routines
}

// routines are the assembly of one instruction set, in the order of the methods of kernels that call them. A nil
// one is left to pure Go. n is the number of rows, or of values, and never 0.
type routines struct {
	dotU8 func(q *int8, bias int32, codes *byte, stride, n int, out *int32)
	// dotU8x16 takes whole slices, since the sets go through rows in blocks of their own.
	dotU8x16 func(pack []int8, bias *[lanes]int32, codes []byte, out []int32, ahead []byte)
	// scale and signs take multiples of group values.
	group   int
	scale   func(dots *int32, scales *float32, qscale, threshold float32, scores *float32, pass *uint64, n int)
	signs   func(diff *int32, dim int32, threshold float32, scores *float32, pass *uint64, n int)
	scale16 func(dots *int32, scales, qscale, threshold, scores *float32, pass *uint16, n int)

	dotF32  func(q *float32, rows *byte, stride, n int, out *float32)
	dotF16  func(q *float32, rows *byte, stride, n int, out *float32)
	hamming func(q *uint64, rows *byte, words, n int, out *int32)
	planes  func(q *uint64, bias int32, rows *byte, words, n int, out *int32)

	max16         func(dots *int32, scales *float32, first int32, best *float32, arg *int32, n int)
	maxResidual16 func(dots *int32, scales *float32, centroids *int32, table *float32, first int32, best *float32, arg *int32, n int)
	maxFloat16    func(dots, scales *float32, first int32, best *float32, arg *int32, n int)
	across16      func(dots *int32, lane, rows, plus *float32, first int32, best *float32, arg *int32, n int)

	expand2, expand4 func(codes, levels, out *byte, n int)
	expandF16        func(rows *byte, out *float32, n int)
	dotF32x16        []dotF32x16Rows // most rows first, down to one
	prefetch         func(b *byte, n int)
}

// dotF32x16Rows multiplies a number of rows at once.
type dotF32x16Rows struct {
	rows int
	f    func(pack, rows *float32, stride int, out *float32)
}

// generic is the reference: what the other sets must equal, bit for bit.
var generic = &kernels{name: "go"}

// kernel is the set in use: the best that the CPU runs.
var kernel = func() *kernels { all := available(); return all[len(all)-1] }()

// Kernel names the set of kernels in use: go, avx2, avx512 or neon.
func Kernel() string { return kernel.name }

// dotU8: out[i] = bias + Σ_d q[d]·codes[i·stride+d], stride = len(q). bias is
// always −128·Σq, so that a set may as well compute Σ_d q[d]·(code−128).
func (k *kernels) dotU8(q []int8, bias int32, codes []byte, out []int32) {
	switch {
	case k.asm.dotU8 == nil:
		dotU8Go(q, bias, codes, out)
	case len(out) > 0:
		k.asm.dotU8(&q[0], bias, &codes[0], len(q), len(out), &out[0])
	}
}

// dotU8x16: out[i·16+l] = bias[l] + Σ_d pack(l, d)·codes[i·stride+d], with
// stride = len(pack)/16 and bias as above. What ahead holds will be needed next; nil is nothing.
func (k *kernels) dotU8x16(pack []int8, bias *[lanes]int32, codes []byte, out []int32, ahead []byte) {
	switch {
	case k.asm.dotU8x16 == nil:
		dotU8x16Go(pack, bias, codes, out)
	case len(out) > 0:
		k.asm.dotU8x16(pack, bias, codes, out, ahead)
	}
}

// scale: scores[i] = float32(dots[i])·scales[i]·qscale, left to right, and
// bit i of pass says scores[i] ≥ threshold. Bits beyond are cleared.
func (k *kernels) scale(dots []int32, scales []float32, qscale, threshold float32, scores []float32, pass []uint64) {
	clear(pass)
	n := k.asm.groups(len(dots))
	if n > 0 {
		k.asm.scale(&dots[0], &scales[0], qscale, threshold, &scores[0], &pass[0], n)
	}
	scaleGo(dots, scales, qscale, threshold, scores, pass, n)
}

// signs: scores[i] = float32(dim − 2·diff[i]), and pass as in scale.
func (k *kernels) signs(diff []int32, dim int32, threshold float32, scores []float32, pass []uint64) {
	clear(pass)
	n := k.asm.groups(len(diff))
	if n > 0 {
		k.asm.signs(&diff[0], dim, threshold, &scores[0], &pass[0], n)
	}
	signsGo(diff, dim, threshold, scores, pass, n)
}

// groups is how many of n values scale and signs take; the rest is left to Go.
func (r *routines) groups(n int) int {
	if r.group == 0 {
		return 0
	}
	return n - n%r.group
}

// scale16 is scale for 16 lanes a row.
func (k *kernels) scale16(dots []int32, scales []float32, qscale, threshold *[lanes]float32, scores []float32, pass []uint16) {
	switch {
	case k.asm.scale16 == nil:
		scale16Go(dots, scales, qscale, threshold, scores, pass)
	case len(pass) > 0:
		k.asm.scale16(&dots[0], &scales[0], &qscale[0], &threshold[0], &scores[0], &pass[0], len(pass))
	}
}

// dotF32, dotF16: sums in 64 lanes, see sum64.
func (k *kernels) dotF32(q []float32, rows []byte, out []float32) {
	switch {
	case k.asm.dotF32 == nil:
		dotF32Go(q, rows, out)
	case len(out) > 0:
		k.asm.dotF32(&q[0], &rows[0], len(q), len(out), &out[0])
	}
}

func (k *kernels) dotF16(q []float32, rows []byte, out []float32) {
	switch {
	case k.asm.dotF16 == nil:
		dotF16Go(q, rows, out)
	case len(out) > 0:
		k.asm.dotF16(&q[0], &rows[0], len(q), len(out), &out[0])
	}
}

// hamming: out[i] = number of bits in which row i differs from q.
func (k *kernels) hamming(q []uint64, rows []byte, out []int32) {
	switch {
	case k.asm.hamming == nil:
		hammingGo(q, rows, out)
	case len(out) > 0:
		k.asm.hamming(&q[0], &rows[0], len(q), len(out), &out[0])
	}
}

// planes: out[i] = bias + 2·Σ q(d) over the set bits d of row i. Value q(d), −8…7, is in two's complement: bit p of it is bit d
// of plane p, and each 64 values have their four planes side by side.
func (k *kernels) planes(q []uint64, bias int32, rows []byte, out []int32) {
	switch {
	case k.asm.planes == nil:
		planesGo(q, bias, rows, out)
	case len(out) > 0:
		k.asm.planes(&q[0], bias, &rows[0], len(q)/4, len(out), &out[0])
	}
}

// max16 updates best[l] and arg[l] with v = float32(dots[i·16+l])·scales[i]
// of row first+i where v > best[l].
func (k *kernels) max16(dots []int32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
	switch {
	case k.asm.max16 == nil:
		max16Go(dots, scales, first, best, arg)
	case len(scales) > 0:
		k.asm.max16(&dots[0], &scales[0], first, &best[0], &arg[0], len(scales))
	}
}

// maxResidual16: the same with v = float32(dot)·scales[i] + table[centroids[i]·16+l].
func (k *kernels) maxResidual16(dots []int32, scales []float32, centroids []int32, table []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
	switch {
	case k.asm.maxResidual16 == nil:
		maxResidual16Go(dots, scales, centroids, table, first, best, arg)
	case len(scales) > 0:
		k.asm.maxResidual16(&dots[0], &scales[0], &centroids[0], &table[0], first, &best[0], &arg[0], len(scales))
	}
}

// maxFloat16: the same with v = dots[i·16+l]·scales[i].
func (k *kernels) maxFloat16(dots, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
	switch {
	case k.asm.maxFloat16 == nil:
		maxFloat16Go(dots, scales, first, best, arg)
	case len(scales) > 0:
		k.asm.maxFloat16(&dots[0], &scales[0], first, &best[0], &arg[0], len(scales))
	}
}

// across16 updates best[i] and arg[i] with v = float32(dots[i·16+l])·lane[l]·rows[i]
// + plus[l], left to right, of lane first+l where v > best[i]. plus is −∞ in
// lanes that take no part, and never −0.
func (k *kernels) across16(dots []int32, lane *[lanes]float32, rows []float32, plus *[lanes]float32, first int32, best []float32, arg []int32) {
	switch {
	case k.asm.across16 == nil:
		across16Go(dots, lane, rows, plus, first, best, arg)
	case len(rows) > 0:
		k.asm.across16(&dots[0], &lane[0], &rows[0], &plus[0], first, &best[0], &arg[0], len(rows))
	}
}

// expand replaces packed codes of 2 or 4 bits by bytes of the table; see
// packLevels for the order. len(out) = 4 or 2 × len(codes).
func (k *kernels) expand(bits int, codes []byte, levels *[16]byte, out []byte) {
	f, inGo := k.asm.expand4, expand4Go
	if bits == 2 {
		f, inGo = k.asm.expand2, expand2Go
	}
	switch {
	case f == nil:
		inGo(codes, levels, out)
	case len(out) > 0:
		f(&codes[0], &levels[0], &out[0], len(out))
	}
}

// expandF16: exact conversion, len(out) = len(rows)/2.
func (k *kernels) expandF16(rows []byte, out []float32) {
	switch {
	case k.asm.expandF16 == nil:
		expandF16Go(rows, out)
	case len(out) > 0:
		k.asm.expandF16(&rows[0], &out[0], len(out))
	}
}

// dotF32x16: out[i·16+l] = Σ_d pack[d·16+l]·rows[i·stride+d] in the order of d.
func (k *kernels) dotF32x16(pack, rows, out []float32) {
	if k.asm.dotF32x16 == nil {
		dotF32x16Go(pack, rows, out)
		return
	}
	n, stride := len(out)/lanes, len(pack)/lanes
	lo := 0
	for _, block := range k.asm.dotF32x16 {
		for ; n-lo >= block.rows; lo += block.rows {
			block.f(&pack[0], &rows[lo*stride], stride, &out[lo*lanes])
		}
	}
}

// prefetch asks for bytes that will be read soon.
func (k *kernels) prefetch(b []byte) {
	if k.asm.prefetch != nil && len(b) > 0 {
		k.asm.prefetch(&b[0], len(b))
	}
}
