package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// maxBlock is the largest number of rows that dotU8x16 takes at once: with the
// words and the row values it must fit 32 registers.
const maxBlock = 20

func avx512() {
	prefetch()
	dotU8AVX512()
	for n := 1; n <= maxBlock; n++ {
		dotU8x16AVX512(n)
	}
	scaleAVX512("scaleAVX512", false)
	scaleAVX512("signsAVX512", true)
	scale16AVX512()
	dotFloatAVX512("dotF32AVX512", 4)
	dotFloatAVX512("dotF16AVX512", 2)
	hammingAVX512()
	planesAVX512()
	maxAVX512("max16AVX512", true, false)
	maxAVX512("maxResidual16AVX512", true, true)
	maxAVX512("maxFloat16AVX512", false, false)
	across16AVX512()
	expandAVX512(2)
	expandAVX512(4)
	expandF16AVX512()
	for _, n := range []int{1, 2, 4, 8, 16} {
		dotF32x16AVX512(n)
	}
}

func zeros(n int) []reg.VecVirtual {
	z := make([]reg.VecVirtual, n)
	for i := range z {
		z[i] = ZMM()
		VPXORD(z[i], z[i], z[i])
	}
	return z
}

// sum4 leaves the sums of the dwords of four registers in the four dwords of one.
func sum4(z []reg.VecVirtual) reg.Register {
	for _, r := range z {
		t := YMM()
		VEXTRACTI64X4(Imm(1), r, t)
		VPADDD(t, r.AsY(), r.AsY())
	}
	VPHADDD(z[1].AsY(), z[0].AsY(), z[0].AsY())
	VPHADDD(z[3].AsY(), z[2].AsY(), z[2].AsY())
	VPHADDD(z[2].AsY(), z[0].AsY(), z[0].AsY())
	t := XMM()
	VEXTRACTI128(Imm(1), z[0].AsY(), t)
	VPADDD(t, z[0].AsX(), z[0].AsX())
	return z[0].AsX()
}

// fourRows runs body for four rows at a time and then for the rows that are left.
func fourRows(n reg.Register, body func(rows int)) {
	CMPQ(n, Imm(4))
	JL(LabelRef("rest"))
	Label("four")
	body(4)
	SUBQ(Imm(4), n)
	CMPQ(n, Imm(4))
	JGE(LabelRef("four"))
	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("one")
	body(1)
	DECQ(n)
	JNZ(LabelRef("one"))
	Label("done")
}

func dotU8AVX512() {
	text("dotU8AVX512", "(q *int8, bias int32, codes *byte, stride, n int, out *int32)")
	q, codes, stride, n, out := arg("q"), arg("codes"), arg("stride"), arg("n"), arg("out")
	bias := XMM()
	VBROADCASTSS(argAddr("bias"), bias)
	stride3 := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	fourRows(n, func(rows int) {
		at, left := GP64(), GP64()
		MOVQ(q, at)
		MOVQ(stride, left)
		label := fmt.Sprintf("values%d", rows)
		acc := zeros(4)
		if rows == 4 {
			// Four streams, each with its own sum.
			loop(label, left, 64, func() {
				w := ZMM()
				VMOVDQU32(Mem{Base: at}, w)
				for i, m := range []Mem{{Base: codes}, {Base: codes, Index: stride, Scale: 1},
					{Base: codes, Index: stride, Scale: 2}, {Base: codes, Index: stride3, Scale: 1}} {
					d := ZMM()
					VMOVDQU32(m, d)
					vpdpbusd(w, d, acc[i])
				}
				add(64, at)
				add(64, codes)
			})
			ADDQ(stride3, codes)
		} else {
			loop(label, left, 64, func() {
				d := ZMM()
				VMOVDQU32(Mem{Base: codes}, d)
				vpdpbusd(Mem{Base: at}, d, acc[0])
				add(64, at)
				add(64, codes)
			})
		}
		s := sum4(acc)
		VPADDD(bias, s, s)
		if rows == 4 {
			VMOVDQU(s, Mem{Base: out})
		} else {
			VMOVD(s, Mem{Base: out})
		}
		add(4*rows, out)
	})
	ret()
}

// dotU8x16AVX512 takes n rows at once. ahead moves by step each four values and is
// fetched into the second-level cache: the first is full of this block and the words.
func dotU8x16AVX512(n int) {
	text(fmt.Sprintf("dotU8x16n%dAVX512", n), "(pack *int8, bias *int32, codes *byte, stride int, out *int32, ahead *byte, step int)")
	pack, bias, codes, stride := arg("pack"), arg("bias"), arg("codes"), arg("stride")
	ahead, step := arg("ahead"), arg("step")
	left := GP64()
	MOVQ(stride, left)
	r := newRows(codes, stride, n)
	// A few rows alone would wait for their own sums: give them two each.
	sets := 1
	if n <= 8 {
		sets = 2
	}
	acc := make([]reg.VecVirtual, n*sets)
	for i := range acc {
		acc[i] = ZMM()
		if i < n {
			VMOVDQU32(Mem{Base: bias}, acc[i])
		} else {
			VPXORD(acc[i], acc[i], acc[i])
		}
	}
	loop("values", left, 8, func() {
		for u := range 2 {
			w := ZMM()
			VMOVDQU32(Mem{Base: pack, Disp: 64 * u}, w)
			PREFETCHT1(Mem{Base: ahead})
			ADDQ(step, ahead)
			for i := range n {
				d := ZMM()
				VPBROADCASTD(r.at(i, 4*u), d)
				vpdpbusd(w, d, acc[i+n*(u%sets)])
			}
		}
		add(128, pack)
		r.advance(8)
	})
	out := arg("out")
	for i := range n {
		if sets == 2 {
			VPADDD(acc[i+n], acc[i], acc[i])
		}
		VMOVDQU32(acc[i], Mem{Base: out, Disp: 64 * i})
	}
	ret()
}

// scaleAVX512 takes any n. Each 16 rows write 16 bits of pass.
func scaleAVX512(name string, signs bool) {
	if signs {
		text(name, "(dots *int32, dim int32, threshold float32, scores *float32, pass *uint64, n int)")
	} else {
		text(name, "(dots *int32, scales *float32, qscale, threshold float32, scores *float32, pass *uint64, n int)")
	}
	dots, scores, pass, n := arg("dots"), arg("scores"), arg("pass"), arg("n")
	threshold, by := ZMM(), ZMM()
	VBROADCASTSS(argAddr("threshold"), threshold)
	var scales reg.GPVirtual
	if signs {
		VBROADCASTSS(argAddr("dim"), by)
	} else {
		scales = arg("scales")
		VBROADCASTSS(argAddr("qscale"), by)
	}
	all, part := K(), K()
	KXNORW(all, all, all)
	body := func(k reg.Register) {
		v := ZMM()
		VMOVDQU32_Z(Mem{Base: dots}, k, v)
		if signs {
			VPADDD(v, v, v)
			VPSUBD(v, by, v)
			VCVTDQ2PS(v, v)
		} else {
			VCVTDQ2PS(v, v)
			s := ZMM()
			VMOVUPS_Z(Mem{Base: scales}, k, s)
			VMULPS(s, v, v)
			VMULPS(by, v, v)
		}
		VMOVUPS(v, k, Mem{Base: scores})
		over := K()
		VCMPPS(Imm(greaterEqual), threshold, v, k, over)
		KMOVW(over, Mem{Base: pass})
	}
	Label("block")
	CMPQ(n, Imm(16))
	JL(LabelRef("rest"))
	body(all)
	add(64, dots)
	if !signs {
		add(64, scales)
	}
	add(64, scores)
	add(2, pass)
	SUBQ(Imm(16), n)
	JMP(LabelRef("block"))
	Label("rest")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	mask := GP64()
	MOVQ(I64(-1), mask)
	BZHIQ(n, mask, mask)
	KMOVW(mask.As32(), part)
	body(part)
	Label("done")
	ret()
}

func scale16AVX512() {
	text("scale16AVX512", "(dots *int32, scales, qscale, threshold, scores *float32, pass *uint16, n int)")
	dots, scales, scores, pass, n := arg("dots"), arg("scales"), arg("scores"), arg("pass"), arg("n")
	qs, th := arg("qscale"), arg("threshold")
	qscale, threshold := ZMM(), ZMM()
	VMOVUPS(Mem{Base: qs}, qscale)
	VMOVUPS(Mem{Base: th}, threshold)
	loop("row", n, 1, func() {
		v, over := ZMM(), K()
		VCVTDQ2PS(Mem{Base: dots}, v)
		VMULPS_BCST(Mem{Base: scales}, v, v)
		VMULPS(qscale, v, v)
		VMOVUPS(v, Mem{Base: scores})
		VCMPPS(Imm(greaterEqual), threshold, v, over)
		KMOVW(over, Mem{Base: pass})
		add(64, dots)
		add(4, scales)
		add(64, scores)
		add(2, pass)
	})
	ret()
}

// dotFloatAVX512 sums in 64 lanes without fusing, as sum64 says.
func dotFloatAVX512(name string, size int) {
	text(name, "(q *float32, rows *byte, stride, n int, out *float32)")
	q, data, stride, n, out := arg("q"), arg("rows"), arg("stride"), arg("n"), arg("out")
	loop("row", n, 1, func() {
		at, left := GP64(), GP64()
		MOVQ(q, at)
		MOVQ(stride, left)
		acc := zeros(4)
		loop("values", left, 64, func() {
			for i := range 4 {
				v := ZMM()
				if size == 4 {
					VMOVUPS(Mem{Base: data, Disp: 64 * i}, v)
				} else {
					VCVTPH2PS(Mem{Base: data, Disp: 32 * i}, v)
				}
				VMULPS(Mem{Base: at, Disp: 64 * i}, v, v)
				VADDPS(v, acc[i], acc[i])
			}
			add(256, at)
			add(64*size, data)
		})
		VADDPS(acc[1], acc[0], acc[0])
		VADDPS(acc[3], acc[2], acc[2])
		VADDPS(acc[2], acc[0], acc[0])
		t := YMM()
		VEXTRACTF64X4(Imm(1), acc[0], t)
		VADDPS(t, acc[0].AsY(), t)
		storeSum8(t, out)
		add(4, out)
	})
	ret()
}

// storeSum8 adds up eight floats in halves.
func storeSum8(y reg.VecVirtual, out reg.Register) {
	x, s := XMM(), y.AsX()
	VEXTRACTF128(Imm(1), y, x)
	VADDPS(x, s, s)
	VMOVHLPS(s, s, x)
	VADDPS(x, s, s)
	VMOVSHDUP(s, x)
	VADDSS(x, s, s)
	VMOVSS(s, Mem{Base: out})
}

// hammingAVX512 takes rows of any number of words ≥ 1.
func hammingAVX512() {
	text("hammingAVX512", "(q *uint64, rows *byte, words, n int, out *int32)")
	q, data, words, n, out := arg("q"), arg("rows"), arg("words"), arg("n"), arg("out")
	stride, stride3, full, mask := GP64(), GP64(), GP64(), GP64()
	MOVQ(words, stride)
	SHLQ(Imm(3), stride)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	MOVQ(words, full)
	SHRQ(Imm(3), full)
	ANDQ(Imm(7), words)
	MOVQ(I64(-1), mask)
	BZHIQ(words, mask, mask)
	k := K()
	KMOVW(mask.As32(), k)
	fourRows(n, func(rows int) {
		at, row, left := GP64(), GP64(), GP64()
		MOVQ(q, at)
		MOVQ(data, row)
		acc := zeros(4)
		count := func(load func(m Mem) reg.VecVirtual) {
			w := load(Mem{Base: at})
			for i, m := range []Mem{{Base: row}, {Base: row, Index: stride, Scale: 1},
				{Base: row, Index: stride, Scale: 2}, {Base: row, Index: stride3, Scale: 1}}[:rows] {
				d := load(m)
				VPXORQ(w, d, d)
				VPOPCNTQ(d, d)
				VPADDQ(d, acc[i], acc[i])
			}
		}
		suffix := fmt.Sprint(rows)
		if rows == 4 {
			// Four rows of 768 bits are six lines. Counting is so little work that
			// without this it waits for memory between blocks.
			for i := range 6 {
				PREFETCHT0(Mem{Base: row, Disp: 3072 + 64*i})
			}
		}
		MOVQ(full, left)
		TESTQ(left, left)
		JZ(LabelRef("tail" + suffix))
		loop("words"+suffix, left, 1, func() {
			count(func(m Mem) reg.VecVirtual {
				z := ZMM()
				VMOVDQU64(m, z)
				return z
			})
			add(64, at)
			add(64, row)
		})
		Label("tail" + suffix)
		count(func(m Mem) reg.VecVirtual {
			z := ZMM()
			VMOVDQU64_Z(m, k, z)
			return z
		})
		s := sum4(acc)
		if rows == 4 {
			VMOVDQU(s, Mem{Base: out})
			LEAQ(Mem{Base: data, Index: stride, Scale: 4}, data)
		} else {
			VMOVD(s, Mem{Base: out})
			ADDQ(stride, data)
		}
		add(4*rows, out)
	})
	ret()
}

// planesAVX512 takes one word of a row with its four planes at a time: the bits that they share are counted by bytes, and
// a product of bytes weighs and adds the counts.
func planesAVX512() {
	text("planesAVX512", "(q *uint64, bias int32, rows *byte, words, n int, out *int32)")
	q, data, words, n, out := arg("q"), arg("rows"), arg("words"), arg("n"), arg("out")
	weights := GLOBL("planeWeightsAVX512", RODATA|NOPTR)
	for i := range 8 {
		w := [4]byte{2, 4, 8, 0xf0}[i%4]
		DATA(8*i, U64(0x0101010101010101*uint64(w)))
	}
	bias, weight := XMM(), ZMM()
	VBROADCASTSS(argAddr("bias"), bias)
	VMOVDQU64(weights, weight)
	stride, stride3 := GP64(), GP64()
	MOVQ(words, stride)
	SHLQ(Imm(3), stride)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	fourRows(n, func(rows int) {
		at, left := GP64(), GP64()
		MOVQ(q, at)
		MOVQ(words, left)
		acc := zeros(4)
		if rows == 4 {
			PREFETCHT0(Mem{Base: data, Disp: 2048})
			PREFETCHT0(Mem{Base: data, Disp: 2048 + 64})
		}
		places := []Mem{{Base: data}, {Base: data, Index: stride, Scale: 1},
			{Base: data, Index: stride, Scale: 2}, {Base: data, Index: stride3, Scale: 1}}[:rows]
		loop(fmt.Sprintf("words%d", rows), left, 1, func() {
			w := YMM()
			VMOVDQU(Mem{Base: at}, w)
			for i, m := range places {
				d := YMM()
				VPBROADCASTQ(m, d)
				VPAND(w, d, d)
				vpopcntb(d, d)
				vpdpbusd(weight.AsY(), d, acc[i].AsY())
			}
			add(32, at)
			add(8, data)
		})
		if rows == 4 {
			ADDQ(stride3, data)
		}
		s := sum4(acc)
		VPADDD(bias, s, s)
		if rows == 4 {
			VMOVDQU(s, Mem{Base: out})
		} else {
			VMOVD(s, Mem{Base: out})
		}
		add(4*rows, out)
	})
	ret()
}

func maxAVX512(name string, integer, residual bool) {
	kind := "*float32"
	if integer {
		kind = "*int32"
	}
	extra := ""
	if residual {
		extra = "centroids *int32, table *float32, "
	}
	text(name, "(dots "+kind+", scales *float32, "+extra+"first int32, best *float32, arg *int32, n int)")
	dots, scales, n := arg("dots"), arg("scales"), arg("n")
	bestAt, argAt := arg("best"), arg("arg")
	var centroids, table reg.GPVirtual
	if residual {
		centroids, table = arg("centroids"), arg("table")
	}
	best, at, row, one := ZMM(), ZMM(), ZMM(), ZMM()
	VMOVUPS(Mem{Base: bestAt}, best)
	VMOVDQU32(Mem{Base: argAt}, at)
	VBROADCASTSS(argAddr("first"), row)
	VPTERNLOGD(Imm(255), one, one, one) // −1
	loop("row", n, 1, func() {
		v, over := ZMM(), K()
		if integer {
			VCVTDQ2PS(Mem{Base: dots}, v)
		} else {
			VMOVUPS(Mem{Base: dots}, v)
		}
		VMULPS_BCST(Mem{Base: scales}, v, v)
		if residual {
			c := GP64()
			MOVLQSX(Mem{Base: centroids}, c)
			SHLQ(Imm(6), c)
			VADDPS(Mem{Base: table, Index: c, Scale: 1}, v, v)
			add(4, centroids)
		}
		VCMPPS(Imm(greater), best, v, over)
		VMOVAPS(v, over, best)
		VMOVDQA32(row, over, at)
		VPSUBD(one, row, row)
		add(64, dots)
		add(4, scales)
	})
	VMOVUPS(best, Mem{Base: bestAt})
	VMOVDQU32(at, Mem{Base: argAt})
	ret()
}

// across16AVX512 finds the largest lane of each row and then, among equal ones, the
// first. Lanes that are not numbers become −∞ before.
func across16AVX512() {
	text("across16AVX512", "(dots *int32, lane, rows, plus *float32, first int32, best *float32, arg *int32, n int)")
	dots, rows, n := arg("dots"), arg("rows"), arg("n")
	bestAt, argAt := arg("best"), arg("arg")
	lane, plus, lowest := ZMM(), ZMM(), ZMM()
	VMOVUPS(Mem{Base: arg("lane")}, lane)
	VMOVUPS(Mem{Base: arg("plus")}, plus)
	infinity, first := GP32(), GP32()
	MOVL(U32(0xff800000), infinity)
	VPBROADCASTD(infinity, lowest)
	Load(Param("first"), first)
	Label("row")
	v, top, t := ZMM(), ZMM(), ZMM()
	number, equal := K(), K()
	VCVTDQ2PS(Mem{Base: dots}, v)
	VMULPS(lane, v, v)
	VMULPS_BCST(Mem{Base: rows}, v, v)
	VADDPS(plus, v, v)
	VCMPPS(Imm(ordered), v, v, number)
	VBLENDMPS(v, lowest, number, v)
	VSHUFF32X4(Imm(0x4e), v, v, top)
	VMAXPS(top, v, top)
	VSHUFF32X4(Imm(0xb1), top, top, t)
	VMAXPS(t, top, top)
	VPERMILPS(Imm(0x4e), top, t)
	VMAXPS(t, top, top)
	VPERMILPS(Imm(0xb1), top, t)
	VMAXPS(t, top, top)
	VUCOMISS(Mem{Base: bestAt}, top.AsX())
	JBE(LabelRef("next")) // not above, or the best is not a number
	VCMPPS(Imm(0), top, v, equal)
	which := GP32()
	KMOVW(equal, which)
	TZCNTL(which, which)
	ADDL(first, which)
	VMOVSS(top.AsX(), Mem{Base: bestAt})
	MOVL(which, Mem{Base: argAt})
	Label("next")
	add(64, dots)
	add(4, rows)
	add(4, bestAt)
	add(4, argAt)
	SUBQ(Imm(1), n)
	JNZ(LabelRef("row"))
	ret()
}

// expandAVX512 looks 64 values up in a register at a time. n counts values.
func expandAVX512(bits int) {
	text(fmt.Sprintf("expand%dAVX512", bits), "(codes *byte, levels *byte, out *byte, n int)")
	codes, levels, out, n := arg("codes"), arg("levels"), arg("out"), arg("n")
	table, shift, mask := ZMM(), ZMM(), ZMM()
	VBROADCASTI32X4(Mem{Base: levels}, table)
	m := GP64()
	shifts := GLOBL(fmt.Sprintf("shifts%dAVX512", bits), RODATA|NOPTR)
	if bits == 2 {
		MOVQ(U32(0x03030303), m)
		for i := range 16 {
			DATA(4*i, U32(uint32(i/4*2)))
		}
	} else {
		MOVQ(U32(0x0f0f0f0f), m)
		for i := range 16 {
			DATA(4*i, U32(uint32(i/8*4)))
		}
	}
	VPBROADCASTD(m.As32(), mask)
	VMOVDQU32(shifts, shift)
	loop("values", n, 64, func() {
		c := ZMM()
		if bits == 2 {
			VBROADCASTI32X4(Mem{Base: codes}, c)
		} else {
			VBROADCASTI64X4(Mem{Base: codes}, c)
		}
		VPSRLVD(shift, c, c)
		VPANDD(mask, c, c)
		VPSHUFB(c, table, c)
		VMOVDQU32(c, Mem{Base: out})
		add(8*bits, codes)
		add(64, out)
	})
	ret()
}

func expandF16AVX512() {
	text("expandF16AVX512", "(rows *byte, out *float32, n int)")
	data, out, n := arg("rows"), arg("out"), arg("n")
	loop("values", n, 16, func() {
		v := ZMM()
		VCVTPH2PS(Mem{Base: data}, v)
		VMOVUPS(v, Mem{Base: out})
		add(32, data)
		add(64, out)
	})
	ret()
}

func dotF32x16AVX512(n int) {
	text(fmt.Sprintf("dotF32x16n%dAVX512", n), "(pack *float32, rows *float32, stride int, out *float32)")
	pack, data, left := arg("pack"), arg("rows"), arg("stride")
	stride := GP64()
	MOVQ(left, stride)
	SHLQ(Imm(2), stride)
	r := newRows(data, stride, n)
	acc := zeros(n)
	loop("values", left, 1, func() {
		w := ZMM()
		VMOVUPS(Mem{Base: pack}, w)
		for i := range n {
			v := ZMM()
			VMULPS_BCST(r.at(i, 0), w, v)
			VADDPS(v, acc[i], acc[i])
		}
		add(64, pack)
		r.advance(4)
	})
	out := arg("out")
	for i := range n {
		VMOVUPS(acc[i], Mem{Base: out, Disp: 64 * i})
	}
	ret()
}

// prefetch is for all amd64 CPUs. n counts bytes, ≥ 1.
func prefetch() {
	text("prefetchAMD64", "(b *byte, n int)")
	b, n := arg("b"), arg("n")
	Label("line")
	PREFETCHT0(Mem{Base: b})
	add(64, b)
	SUBQ(Imm(64), n)
	JG(LabelRef("line"))
	RET()
}
