package vector

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/aladin-go/aladin/internal/elem"
)

// canary surrounds what kernels write, and everything they read lies at the very
// end of its memory or at an odd offset into it.
const canary = 0xA5

// guarded is an output of n elements between canaries.
type guarded[T any] struct {
	all  []T
	want []byte
	v    []T
	odd  int
}

func newGuarded[T any](n, odd int) *guarded[T] {
	const margin = 32
	g := &guarded[T]{all: make([]T, n+2*margin), odd: margin + odd}
	for i, b := 0, bytesOf(g.all); i < len(b); i++ {
		b[i] = canary
	}
	g.v = g.all[g.odd : g.odd+n : g.odd+n]
	g.want = bytes.Clone(bytesOf(g.all))
	return g
}

// check reports writes outside v.
func (g *guarded[T]) check(t *testing.T, what string) {
	t.Helper()
	var z T
	size := int(unsafe.Sizeof(z))
	got := bytesOf(g.all)
	lo, hi := g.odd*size, (g.odd+len(g.v))*size
	if !bytes.Equal(got[:lo], g.want[:lo]) || !bytes.Equal(got[hi:], g.want[hi:]) {
		t.Fatalf("%s wrote outside its output", what)
	}
}

func bytesOf[T any](v []T) []byte {
	var z T
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(z)))
}

// inputs draws operands of kernels.
type inputs struct {
	*rand.Rand
	odd int
}

func (r inputs) bytes(n int) []byte {
	b := make([]byte, n+r.odd)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b[r.odd:]
}

func (r inputs) int8s(n int) []int8 {
	v := make([]int8, n+r.odd)
	for i := range v {
		v[i] = int8(r.IntN(255) - 127)
	}
	return v[r.odd:]
}

func (r inputs) int32s(n int) []int32 {
	v := make([]int32, n+r.odd)
	for i := range v {
		v[i] = int32(r.Uint32()) >> r.IntN(24)
	}
	return v[r.odd:]
}

// floats include zeros of both signs, subnormal numbers, infinities and NaN
// unless tame.
func (r inputs) floats(n int, tame bool) []float32 {
	v := make([]float32, n+r.odd)
	special := []float32{0, float32(math.Copysign(0, -1)), 1e-42, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}
	for i := range v {
		v[i] = float32(r.NormFloat64())
		if !tame && r.IntN(8) == 0 {
			v[i] = special[r.IntN(len(special))]
		}
	}
	return v[r.odd:]
}

func f16Bytes(v []float32) []byte {
	b := make([]byte, 0, 2*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint16(b, elem.ToHalf(x))
	}
	return b
}

func f32Bytes(v []float32) []byte { return append([]byte(nil), bytesOf(v)...) }

// sameBits compares bit for bit, but takes all NaN as one: their payload differs
// between CPUs and is never looked at.
func sameBits[T comparable](t *testing.T, what string, want, got []T) {
	t.Helper()
	if bytes.Equal(bytesOf(want), bytesOf(got)) {
		return
	}
	for i, w := range want {
		if g := got[i]; !bytes.Equal(bytesOf(want[i:i+1]), bytesOf(got[i:i+1])) && (w == w || g == g) {
			t.Fatalf("%s: element %d of %d: want %v, got %v", what, i, len(want), w, g)
		}
	}
}

// A kernelCheck compares one kernel of k, or a few, with the reference on random operands of n rows of a stride.
type kernelCheck func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string)

var kernelChecks = map[string]kernelCheck{
	"dotU8": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		codes := r.bytes(n * stride)
		q := r.int8s(stride)
		bias := offsetBias(q)
		want, got := make([]int32, n), newGuarded[int32](n, r.odd%8)
		dotU8Go(q, bias, codes, want)
		k.dotU8(q, bias, codes, got.v)
		got.check(t, name("dotU8"))
		sameBits(t, name("dotU8"), want, got.v)
	},
	"dotU8x16": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		codes := r.bytes(n * stride)
		pack, bias := r.int8s(stride*lanes), [lanes]int32{}
		for i, c := range pack {
			bias[i/4%lanes] -= 128 * int32(c)
		}
		want, got := make([]int32, n*lanes), newGuarded[int32](n*lanes, r.odd%8)
		dotU8x16Go(pack, &bias, codes, want)
		k.dotU8x16(pack, &bias, codes, got.v, codes)
		got.check(t, name("dotU8x16"))
		sameBits(t, name("dotU8x16"), want, got.v)
	},
	"scale, signs": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		dots, scales := r.int32s(n), r.floats(n, false)
		words := (n + 63) / 64
		for _, threshold := range []float32{float32(math.Inf(-1)), 0, 1e3} {
			want, got := make([]float32, n), newGuarded[float32](n, r.odd%8)
			wantPass, gotPass := make([]uint64, words+1), newGuarded[uint64](words+1, r.odd%8)
			generic.scale(dots, scales, 0.37, threshold, want, wantPass)
			k.scale(dots, scales, 0.37, threshold, got.v, gotPass.v)
			got.check(t, name("scale"))
			gotPass.check(t, name("scale (pass)"))
			sameBits(t, name("scale"), want, got.v)
			sameBits(t, name("scale (pass)"), wantPass, gotPass.v)

			for i := range dots {
				dots[i] &= 0x7fff
			}
			generic.signs(dots, 777, threshold, want, wantPass)
			k.signs(dots, 777, threshold, got.v, gotPass.v)
			got.check(t, name("signs"))
			gotPass.check(t, name("signs (pass)"))
			sameBits(t, name("signs"), want, got.v)
			sameBits(t, name("signs (pass)"), wantPass, gotPass.v)
		}
	},
	"scale16": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		dots, scales := r.int32s(n*lanes), r.floats(n, false)
		qscale, threshold := [lanes]float32(r.floats(lanes, true)), [lanes]float32(r.floats(lanes, false))
		want, got := make([]float32, n*lanes), newGuarded[float32](n*lanes, r.odd%8)
		wantPass, gotPass := make([]uint16, n), newGuarded[uint16](n, r.odd%8)
		scale16Go(dots, scales, &qscale, &threshold, want, wantPass)
		k.scale16(dots, scales, &qscale, &threshold, got.v, gotPass.v)
		got.check(t, name("scale16"))
		gotPass.check(t, name("scale16 (pass)"))
		sameBits(t, name("scale16"), want, got.v)
		sameBits(t, name("scale16 (pass)"), wantPass, gotPass.v)
	},
	"dotF32, dotF16, expandF16, dotF32x16": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		for _, tame := range []bool{true, false} {
			q, v := r.floats(stride, tame), r.floats(n*stride, tame)
			want, got := make([]float32, n), newGuarded[float32](n, r.odd%8)
			dotF32Go(q, f32Bytes(v), want)
			k.dotF32(q, f32Bytes(v), got.v)
			got.check(t, name("dotF32"))
			sameBits(t, name("dotF32"), want, got.v)

			h := append(make([]byte, r.odd), f16Bytes(v)...)[r.odd:]
			dotF16Go(q, h, want)
			k.dotF16(q, h, got.v)
			got.check(t, name("dotF16"))
			sameBits(t, name("dotF16"), want, got.v)

			wide, gotWide := make([]float32, n*stride), newGuarded[float32](n*stride, r.odd%8)
			expandF16Go(h, wide)
			k.expandF16(h, gotWide.v)
			gotWide.check(t, name("expandF16"))
			sameBits(t, name("expandF16"), wide, gotWide.v)

			if stride <= 256 {
				pack := r.floats(stride*lanes, tame)
				want, got := make([]float32, n*lanes), newGuarded[float32](n*lanes, r.odd%8)
				dotF32x16Go(pack, v, want)
				k.dotF32x16(pack, v, got.v)
				got.check(t, name("dotF32x16"))
				sameBits(t, name("dotF32x16"), want, got.v)
			}
		}
	},
	"planes": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		codes, bias := r.bytes(n*stride/8), int32(r.IntN(1<<20)-1<<19)
		planes, q := make([]uint64, stride/16), make([]int8, stride)
		for d := range q {
			q[d] = int8(r.IntN(16) - 8)
		}
		setPlanes(planes, q)
		want, got := make([]int32, n), newGuarded[int32](n, r.odd%8)
		for i := range want {
			want[i] = bias
			for d, x := range q {
				want[i] += 2 * int32(x) * int32(codes[i*stride/8+d/8]>>(d%8)&1)
			}
		}
		k.planes(planes, bias, codes, got.v)
		got.check(t, name("planes"))
		sameBits(t, name("planes"), want, got.v)
	},
	"hamming": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		codes := r.bytes(n * stride)
		words := stride / 64
		q := make([]uint64, words)
		for i := range q {
			q[i] = r.Uint64()
		}
		want, got := make([]int32, n), newGuarded[int32](n, r.odd%8)
		hammingGo(q, codes[:n*words*8], want)
		k.hamming(q, codes[:n*words*8], got.v)
		got.check(t, name("hamming"))
		sameBits(t, name("hamming"), want, got.v)
	},
	"max16, maxResidual16, maxFloat16": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		dots, scales, few := r.int32s(n*lanes), r.floats(n, false), r.floats(n*lanes, false)
		for i := range dots { // make ties
			dots[i] %= 5
		}
		table, centroids := r.floats(7*lanes, false), make([]int32, n)
		for i := range centroids {
			centroids[i] = int32(r.IntN(7))
		}
		runs := map[string]func(k *kernels, best *[lanes]float32, arg *[lanes]int32){
			"max16": func(k *kernels, best *[lanes]float32, arg *[lanes]int32) { k.max16(dots, scales, 3, best, arg) },
			"maxResidual16": func(k *kernels, best *[lanes]float32, arg *[lanes]int32) {
				k.maxResidual16(dots, scales, centroids, table, 3, best, arg)
			},
			"maxFloat16": func(k *kernels, best *[lanes]float32, arg *[lanes]int32) { k.maxFloat16(few, scales, 3, best, arg) },
		}
		for f, run := range runs {
			var want, got [lanes]float32
			var wantArg, gotArg [lanes]int32
			for l := range want {
				want[l], got[l] = float32(math.Inf(-1)), float32(math.Inf(-1))
				wantArg[l], gotArg[l] = -1, -1
			}
			run(generic, &want, &wantArg)
			run(k, &got, &gotArg)
			sameBits(t, name(f), want[:], got[:])
			sameBits(t, name(f)+" (arg)", wantArg[:], gotArg[:])
		}
	},
	"across16": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		dots, rows := r.int32s(n*lanes), r.floats(n, false)
		for i := range dots { // make ties
			dots[i] %= 3
		}
		lane, plus := [lanes]float32(r.floats(lanes, true)), [lanes]float32{}
		for l := range plus {
			plus[l] = []float32{0, 0, -1.5, float32(math.Inf(-1))}[r.IntN(4)]
			lane[l] = float32(math.Round(float64(lane[l])))
		}
		want, got := make([]float32, n), newGuarded[float32](n, r.odd%8)
		wantArg, gotArg := make([]int32, n), newGuarded[int32](n, r.odd%8)
		for i := range want {
			want[i] = []float32{float32(math.Inf(-1)), -1, 0, 1}[r.IntN(4)]
			got.v[i], wantArg[i], gotArg.v[i] = want[i], -1, -1
		}
		across16Go(dots, &lane, rows, &plus, 32, want, wantArg)
		k.across16(dots, &lane, rows, &plus, 32, got.v, gotArg.v)
		got.check(t, name("across16"))
		gotArg.check(t, name("across16 (arg)"))
		sameBits(t, name("across16"), want, got.v)
		sameBits(t, name("across16 (arg)"), wantArg, gotArg.v)
	},
	"expand2, expand4": func(t *testing.T, k *kernels, r inputs, n, stride int, name func(string) string) {
		codes := r.bytes(n * stride)
		levels := [16]byte(r.bytes(16))
		two := levels
		for i := range two {
			two[i] = levels[i%4]
		}
		for per, f := range map[int]func(k *kernels, c []byte, out []byte){
			4: func(k *kernels, c, out []byte) { k.expand(2, c, &two, out) },
			2: func(k *kernels, c, out []byte) { k.expand(4, c, &levels, out) },
		} {
			c := codes[:n*stride/per]
			want, got := make([]byte, n*stride), newGuarded[byte](n*stride, r.odd%8)
			f(generic, c, want)
			f(k, c, got.v)
			got.check(t, name("expand"))
			sameBits(t, name("expand"), want, got.v)
		}
	},
}

var kernelCheckNames = slices.Sorted(maps.Keys(kernelChecks))

func checkKernel(t *testing.T, which string, k *kernels, r inputs, n, stride int) {
	t.Helper()
	kernelChecks[which](t, k, r, n, stride, func(f string) string {
		return fmt.Sprintf("%s %s of %d rows of %d values at offset %d", k.name, f, n, stride, r.odd)
	})
}

// checkKernels compares every kernel of k with the reference.
func checkKernels(t *testing.T, k *kernels, r inputs, n, stride int) {
	t.Helper()
	for _, which := range kernelCheckNames {
		checkKernel(t, which, k, r, n, stride)
	}
	k.prefetch(r.bytes(n * stride))
}

func TestKernelsEqualReference(t *testing.T) {
	for _, k := range available() {
		t.Run(k.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 7))
			for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 19, 20, 21, 33, 34, 41, 63, 64, 65, 100} {
				for _, stride := range []int{64, 128, 320, 768} {
					if n > 34 && stride > 128 || raceEnabled && stride*n > 4096 {
						continue
					}
					checkKernels(t, k, inputs{r, r.IntN(67)}, n, stride)
				}
			}
			checkKernels(t, k, inputs{r, 1}, 3, 1024+64)
			checkKernels(t, k, inputs{r, 0}, 256, 64)
		})
	}
}

func TestExtremeCodesDoNotOverflow(t *testing.T) {
	const stride = MaxDim
	q, codes := make([]int8, stride), make([]byte, stride)
	for i := range q {
		q[i], codes[i] = -127, 255
	}
	want := int32(-127) * 127 * stride
	for _, k := range available() {
		out := make([]int32, 1)
		k.dotU8(q, offsetBias(q), codes, out)
		if out[0] != want {
			t.Errorf("%s: got %d, want %d", k.name, out[0], want)
		}
		p := newPack(stride)
		p.set(5, q, 1)
		all := make([]int32, lanes)
		k.dotU8x16(p.code, &p.bias, codes, all, nil)
		if all[5] != want {
			t.Errorf("%s: 16 lanes: got %d, want %d", k.name, all[5], want)
		}
	}
}

// One kernel and at most 4096 values a run: many small runs find more than few large ones.
func FuzzKernels(f *testing.F) {
	for which := range kernelCheckNames {
		f.Add(uint64(1), uint8(which), uint8(34), uint8(1), uint8(3))
	}
	f.Fuzz(func(t *testing.T, seed uint64, which, n, blocks, odd uint8) {
		stride := 64 * (1 + int(blocks%17))
		rows := min(int(n%45), 4096/stride)
		for _, k := range available()[1:] {
			r := inputs{rand.New(rand.NewPCG(seed, 1)), int(odd % 65)}
			checkKernel(t, kernelCheckNames[int(which)%len(kernelCheckNames)], k, r, rows, stride)
		}
	})
}
