package vector

//go:generate sh gen/gen.sh avx2
//go:generate sh gen/gen.sh avx512
//go:generate sh gen/gen.sh neon

// kernels is one complete set of inner loops. All sets compute the same bits.
// Lengths are checked by the callers; stride stands for a multiple of 64.
type kernels struct {
	name string

	// dotU8: out[i] = bias + Σ_d q[d]·codes[i·stride+d], stride = len(q). bias is
	// always −128·Σq, so that a set may as well compute Σ_d q[d]·(code−128).
	dotU8 func(q []int8, bias int32, codes []byte, out []int32)
	// dotU8x16: out[i·16+l] = bias[l] + Σ_d pack(l, d)·codes[i·stride+d], with
	// stride = len(pack)/16 and bias as above. What ahead holds will be needed next; nil is nothing.
	dotU8x16 func(pack []int8, bias *[lanes]int32, codes []byte, out []int32, ahead []byte)
	// scale: scores[i] = float32(dots[i])·scales[i]·qscale, left to right, and
	// bit i of pass says scores[i] ≥ threshold. Bits beyond are cleared.
	scale func(dots []int32, scales []float32, qscale, threshold float32, scores []float32, pass []uint64)
	// scale16 does the same for 16 lanes a row.
	scale16 func(dots []int32, scales []float32, qscale, threshold *[lanes]float32, scores []float32, pass []uint16)

	// dotF32, dotF16: sums in 64 lanes, see sum64.
	dotF32 func(q []float32, rows []byte, out []float32)
	dotF16 func(q []float32, rows []byte, out []float32)

	// hamming: out[i] = number of bits in which row i differs from q.
	hamming func(q []uint64, rows []byte, out []int32)
	// signs: scores[i] = float32(dim − 2·diff[i]), and pass as in scale.
	signs func(diff []int32, dim int32, threshold float32, scores []float32, pass []uint64)

	// max16 updates best[l] and arg[l] with v = float32(dots[i·16+l])·scales[i]
	// of row first+i where v > best[l].
	max16 func(dots []int32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32)
	// maxResidual16: the same with v = float32(dot)·scales[i] + table[centroids[i]·16+l].
	maxResidual16 func(dots []int32, scales []float32, centroids []int32, table []float32, first int32, best *[lanes]float32, arg *[lanes]int32)
	// maxFloat16: the same with v = dots[i·16+l]·scales[i].
	maxFloat16 func(dots []float32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32)

	// across16 updates best[i] and arg[i] with v = float32(dots[i·16+l])·lane[l]·rows[i]
	// + plus[l], left to right, of lane first+l where v > best[i]. plus is −∞ in
	// lanes that take no part, and never −0.
	across16 func(dots []int32, lane *[lanes]float32, rows []float32, plus *[lanes]float32, first int32, best []float32, arg []int32)

	// expand2, expand4 replace packed 2- and 4-bit codes by bytes of the table; see
	// packLevels for the order. len(out) = 4 or 2 × len(codes).
	expand2 func(codes []byte, levels *[16]byte, out []byte)
	expand4 func(codes []byte, levels *[16]byte, out []byte)
	// expandF16: exact conversion, len(out) = len(rows)/2.
	expandF16 func(rows []byte, out []float32)
	// dotF32x16: out[i·16+l] = Σ_d pack[d·16+l]·rows[i·stride+d] in the order of d.
	dotF32x16 func(pack []float32, rows []float32, out []float32)

	// prefetch asks for bytes that will be read soon.
	prefetch func(b []byte)
}

// kernel is the set in use: the best that the CPU runs.
var kernel = func() *kernels { all := available(); return all[len(all)-1] }()

// Kernel names the set of kernels in use: go, avx2, avx512 or neon.
func Kernel() string { return kernel.name }
