package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// AVX2 multiplies in 16 bits: its byte instruction saturates. Tails that do not
// fill a register are left to pure Go.
func avx2() {
	dotU8AVX2()
	dotU8x16AVX2(1)
	dotU8x16AVX2(2)
	scaleAVX2("scaleAVX2", false)
	scaleAVX2("signsAVX2", true)
	scale16AVX2()
	dotFloatAVX2("dotF32AVX2", 4)
	dotFloatAVX2("dotF16AVX2", 2)
	hammingPOPCNT()
	planesPOPCNT()
	maxAVX2("max16AVX2", true, false)
	maxAVX2("maxResidual16AVX2", true, true)
	maxAVX2("maxFloat16AVX2", false, false)
	expandAVX2(2)
	expandAVX2(4)
	expandF16AVX2()
	dotF32x16AVX2(1)
	dotF32x16AVX2(4)
}

func zerosY(n int) []reg.VecVirtual {
	y := make([]reg.VecVirtual, n)
	for i := range y {
		y[i] = YMM()
		VPXOR(y[i], y[i], y[i])
	}
	return y
}

func dotU8AVX2() {
	text("dotU8AVX2", "(q *int8, bias int32, codes *byte, stride, n int, out *int32)")
	q, codes, stride, n, out := arg("q"), arg("codes"), arg("stride"), arg("n"), arg("out")
	bias, stride3 := XMM(), GP64()
	VBROADCASTSS(argAddr("bias"), bias)
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
	fourRows(n, func(rows int) {
		at, left := GP64(), GP64()
		MOVQ(q, at)
		MOVQ(stride, left)
		acc := zerosY(4)
		loop(fmt.Sprintf("values%d", rows), left, 16, func() {
			w := YMM()
			VPMOVSXBW(Mem{Base: at}, w)
			for i, m := range []Mem{{Base: codes}, {Base: codes, Index: stride, Scale: 1},
				{Base: codes, Index: stride, Scale: 2}, {Base: codes, Index: stride3, Scale: 1}}[:rows] {
				d := YMM()
				VPMOVZXBW(m, d)
				VPMADDWD(w, d, d)
				VPADDD(d, acc[i], acc[i])
			}
			add(16, at)
			add(16, codes)
		})
		if rows == 4 {
			ADDQ(stride3, codes)
		}
		VPHADDD(acc[1], acc[0], acc[0])
		VPHADDD(acc[3], acc[2], acc[2])
		VPHADDD(acc[2], acc[0], acc[0])
		t, s := XMM(), acc[0].AsX()
		VEXTRACTI128(Imm(1), acc[0], t)
		VPADDD(t, s, s)
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

// dotU8x16AVX2 takes n rows at once: each register holds two sums for four lanes.
func dotU8x16AVX2(n int) {
	text(fmt.Sprintf("dotU8x16n%dAVX2", n), "(pack *int8, bias *int32, codes *byte, stride int, out *int32)")
	pack, bias, codes, stride := arg("pack"), arg("bias"), arg("codes"), arg("stride")
	left := GP64()
	MOVQ(stride, left)
	r := newRows(codes, stride, n)
	acc := zerosY(4 * n)
	loop("values", left, 4, func() {
		var w [4]reg.VecVirtual
		for j := range w {
			w[j] = YMM()
			VPMOVSXBW(Mem{Base: pack, Disp: 16 * j}, w[j])
		}
		for i := range n {
			d, p := YMM(), YMM()
			VPBROADCASTD(r.at(i, 0), d.AsX())
			VPMOVZXBW(d.AsX(), d)
			for j := range w {
				VPMADDWD(w[j], d, p)
				VPADDD(p, acc[4*i+j], acc[4*i+j])
			}
		}
		add(64, pack)
		r.advance(4)
	})
	out := arg("out")
	for i := range n {
		for j := 0; j < 4; j += 2 {
			// Pairs of lanes 0 1 4 5 | 2 3 6 7 come out of the addition.
			s := acc[4*i+j]
			VPHADDD(acc[4*i+j+1], s, s)
			VPERMQ(Imm(0xd8), s, s)
			VPADDD(Mem{Base: bias, Disp: 16 * j}, s, s)
			VMOVDQU(s, Mem{Base: out, Disp: 64*i + 16*j})
		}
	}
	ret()
}

// scaleAVX2 takes multiples of 8; each 8 rows write 8 bits of pass.
func scaleAVX2(name string, signs bool) {
	if signs {
		text(name, "(dots *int32, dim int32, threshold float32, scores *float32, pass *uint64, n int)")
	} else {
		text(name, "(dots *int32, scales *float32, qscale, threshold float32, scores *float32, pass *uint64, n int)")
	}
	dots, scores, pass, n := arg("dots"), arg("scores"), arg("pass"), arg("n")
	threshold, by := YMM(), YMM()
	VBROADCASTSS(argAddr("threshold"), threshold)
	var scales reg.GPVirtual
	if signs {
		VBROADCASTSS(argAddr("dim"), by)
	} else {
		scales = arg("scales")
		VBROADCASTSS(argAddr("qscale"), by)
	}
	loop("block", n, 8, func() {
		v, over := YMM(), YMM()
		if signs {
			VMOVDQU(Mem{Base: dots}, v)
			VPADDD(v, v, v)
			VPSUBD(v, by, v)
			VCVTDQ2PS(v, v)
		} else {
			VCVTDQ2PS(Mem{Base: dots}, v)
			VMULPS(Mem{Base: scales}, v, v)
			VMULPS(by, v, v)
			add(32, scales)
		}
		VMOVUPS(v, Mem{Base: scores})
		VCMPPS(Imm(greaterEqual), threshold, v, over)
		m := GP32()
		VMOVMSKPS(over, m)
		MOVB(m.As8(), Mem{Base: pass})
		add(32, dots)
		add(32, scores)
		INCQ(pass)
	})
	ret()
}

func scale16AVX2() {
	text("scale16AVX2", "(dots *int32, scales, qscale, threshold, scores *float32, pass *uint16, n int)")
	dots, scales, scores, pass, n := arg("dots"), arg("scales"), arg("scores"), arg("pass"), arg("n")
	qs, th := arg("qscale"), arg("threshold")
	var qscale, threshold [2]reg.VecVirtual
	for h := range 2 {
		qscale[h], threshold[h] = YMM(), YMM()
		VMOVUPS(Mem{Base: qs, Disp: 32 * h}, qscale[h])
		VMOVUPS(Mem{Base: th, Disp: 32 * h}, threshold[h])
	}
	loop("row", n, 1, func() {
		s := YMM()
		VBROADCASTSS(Mem{Base: scales}, s)
		for h := range 2 {
			v, over, m := YMM(), YMM(), GP32()
			VCVTDQ2PS(Mem{Base: dots, Disp: 32 * h}, v)
			VMULPS(s, v, v)
			VMULPS(qscale[h], v, v)
			VMOVUPS(v, Mem{Base: scores, Disp: 32 * h})
			VCMPPS(Imm(greaterEqual), threshold[h], v, over)
			VMOVMSKPS(over, m)
			MOVB(m.As8(), Mem{Base: pass, Disp: h})
		}
		add(64, dots)
		add(4, scales)
		add(64, scores)
		add(2, pass)
	})
	ret()
}

// dotFloatAVX2 keeps the 64 lanes of sum64 in eight registers.
func dotFloatAVX2(name string, size int) {
	text(name, "(q *float32, rows *byte, stride, n int, out *float32)")
	q, data, stride, n, out := arg("q"), arg("rows"), arg("stride"), arg("n"), arg("out")
	loop("row", n, 1, func() {
		at, left := GP64(), GP64()
		MOVQ(q, at)
		MOVQ(stride, left)
		acc := zerosY(8)
		loop("values", left, 64, func() {
			for i := range 8 {
				v := YMM()
				if size == 4 {
					VMOVUPS(Mem{Base: data, Disp: 32 * i}, v)
				} else {
					VCVTPH2PS(Mem{Base: data, Disp: 16 * i}, v)
				}
				VMULPS(Mem{Base: at, Disp: 32 * i}, v, v)
				VADDPS(v, acc[i], acc[i])
			}
			add(256, at)
			add(64*size, data)
		})
		for h := range 2 {
			VADDPS(acc[2+h], acc[h], acc[h])
			VADDPS(acc[6+h], acc[4+h], acc[4+h])
			VADDPS(acc[4+h], acc[h], acc[h])
		}
		VADDPS(acc[1], acc[0], acc[0])
		storeSum8(acc[0], out)
		add(4, out)
	})
	ret()
}

// hammingPOPCNT counts in general registers: one word a cycle.
func hammingPOPCNT() {
	text("hammingPOPCNT", "(q *uint64, rows *byte, words, n int, out *int32)")
	q, data, words, n, out := arg("q"), arg("rows"), arg("words"), arg("n"), arg("out")
	loop("row", n, 1, func() {
		sum, i, w := GP64(), GP64(), GP64()
		XORQ(sum, sum)
		XORQ(i, i)
		Label("word")
		MOVQ(Mem{Base: q, Index: i, Scale: 8}, w)
		XORQ(Mem{Base: data}, w)
		POPCNTQ(w, w)
		ADDQ(w, sum)
		add(8, data)
		INCQ(i)
		CMPQ(i, words)
		JL(LabelRef("word"))
		MOVL(sum.As32(), Mem{Base: out})
		add(4, out)
	})
	RET()
}

func planesPOPCNT() {
	text("planesPOPCNT", "(q *uint64, bias int32, rows *byte, words, n int, out *int32)")
	q, data, words, n, out := arg("q"), arg("rows"), arg("words"), arg("n"), arg("out")
	bias := GP64()
	MOVLQSX(argAddr("bias"), bias)
	loop("row", n, 1, func() {
		at, left, x, w := GP64(), GP64(), GP64(), GP64()
		MOVQ(q, at)
		MOVQ(words, left)
		var sum [4]reg.GPVirtual
		for p := range sum {
			sum[p] = GP64()
			XORQ(sum[p], sum[p])
		}
		loop("word", left, 1, func() {
			MOVQ(Mem{Base: data}, x)
			for p := range sum {
				MOVQ(x, w)
				ANDQ(Mem{Base: at, Disp: 8 * p}, w)
				POPCNTQ(w, w)
				ADDQ(w, sum[p])
			}
			add(8, data)
			add(32, at)
		})
		// bias + 2·(s₀ + 2·(s₁ + 2·(s₂ − 2·s₃)))
		NEGQ(sum[3])
		for p := 3; p > 0; p-- {
			LEAQ(Mem{Base: sum[p-1], Index: sum[p], Scale: 2}, sum[p-1])
		}
		LEAQ(Mem{Base: bias, Index: sum[0], Scale: 2}, w)
		MOVL(w.As32(), Mem{Base: out})
		add(4, out)
	})
	RET()
}

func maxAVX2(name string, integer, residual bool) {
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
	row, one := YMM(), YMM()
	var best, at [2]reg.VecVirtual
	for h := range 2 {
		best[h], at[h] = YMM(), YMM()
		VMOVUPS(Mem{Base: bestAt, Disp: 32 * h}, best[h])
		VMOVUPS(Mem{Base: argAt, Disp: 32 * h}, at[h])
	}
	VBROADCASTSS(argAddr("first"), row)
	VPCMPEQD(one, one, one) // −1
	loop("row", n, 1, func() {
		s := YMM()
		VBROADCASTSS(Mem{Base: scales}, s)
		var c reg.GPVirtual
		if residual {
			c = GP64()
			MOVLQSX(Mem{Base: centroids}, c)
			SHLQ(Imm(6), c)
			add(4, centroids)
		}
		for h := range 2 {
			v, over := YMM(), YMM()
			if integer {
				VCVTDQ2PS(Mem{Base: dots, Disp: 32 * h}, v)
				VMULPS(s, v, v)
			} else {
				VMULPS(Mem{Base: dots, Disp: 32 * h}, s, v)
			}
			if residual {
				VADDPS(Mem{Base: table, Index: c, Scale: 1, Disp: 32 * h}, v, v)
			}
			VCMPPS(Imm(greater), best[h], v, over)
			VBLENDVPS(over, v, best[h], best[h])
			VBLENDVPS(over, row, at[h], at[h])
		}
		VPSUBD(one, row, row)
		add(64, dots)
		add(4, scales)
	})
	for h := range 2 {
		VMOVUPS(best[h], Mem{Base: bestAt, Disp: 32 * h})
		VMOVUPS(at[h], Mem{Base: argAt, Disp: 32 * h})
	}
	ret()
}

func expandAVX2(bits int) {
	text(fmt.Sprintf("expand%dAVX2", bits), "(codes *byte, levels *byte, out *byte, n int)")
	codes, levels, out, n := arg("codes"), arg("levels"), arg("out"), arg("n")
	table, mask := YMM(), YMM()
	VBROADCASTI128(Mem{Base: levels}, table)
	constant := GLOBL(fmt.Sprintf("mask%dAVX2", bits), RODATA|NOPTR)
	DATA(0, U32(0x03030303|0x0c0c0c0c*uint32(bits/4)))
	VPBROADCASTD(constant, mask)
	var shift reg.VecVirtual
	if bits == 2 {
		shifts := GLOBL("shifts2AVX2", RODATA|NOPTR)
		for i := range 8 {
			DATA(4*i, U32(uint32(i/4*2)))
		}
		shift = YMM()
		VMOVDQU(shifts, shift)
	}
	loop("values", n, 64, func() {
		for h := range 2 {
			c := YMM()
			if bits == 2 {
				VBROADCASTI128(Mem{Base: codes}, c)
				VPSRLVD(shift, c, c)
			} else {
				VMOVDQU(Mem{Base: codes}, c)
			}
			if h == 1 {
				VPSRLD(Imm(4), c, c)
			}
			VPAND(mask, c, c)
			VPSHUFB(c, table, c)
			VMOVDQU(c, Mem{Base: out, Disp: 32 * h})
		}
		add(8*bits, codes)
		add(64, out)
	})
	ret()
}

func expandF16AVX2() {
	text("expandF16AVX2", "(rows *byte, out *float32, n int)")
	data, out, n := arg("rows"), arg("out"), arg("n")
	loop("values", n, 8, func() {
		v := YMM()
		VCVTPH2PS(Mem{Base: data}, v)
		VMOVUPS(v, Mem{Base: out})
		add(16, data)
		add(32, out)
	})
	ret()
}

func dotF32x16AVX2(n int) {
	text(fmt.Sprintf("dotF32x16n%dAVX2", n), "(pack *float32, rows *float32, stride int, out *float32)")
	pack, data, left := arg("pack"), arg("rows"), arg("stride")
	stride := GP64()
	MOVQ(left, stride)
	SHLQ(Imm(2), stride)
	r := newRows(data, stride, n)
	acc := zerosY(2 * n)
	loop("values", left, 1, func() {
		a, b := YMM(), YMM()
		VMOVUPS(Mem{Base: pack}, a)
		VMOVUPS(Mem{Base: pack, Disp: 32}, b)
		for i := range n {
			v, p := YMM(), YMM()
			VBROADCASTSS(r.at(i, 0), v)
			VMULPS(a, v, p)
			VADDPS(p, acc[2*i], acc[2*i])
			VMULPS(b, v, v)
			VADDPS(v, acc[2*i+1], acc[2*i+1])
		}
		add(64, pack)
		r.advance(4)
	})
	out := arg("out")
	for i := range 2 * n {
		VMOVUPS(acc[i], Mem{Base: out, Disp: 32 * i})
	}
	ret()
}
