package vector

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/aladin-go/aladin/internal/elem"
)

// Pure Go: the reference of every kernel, in the order of kernel.go.

func dotU8Go(q []int8, bias int32, codes []byte, out []int32) {
	stride := len(q)
	for i := range out {
		row := codes[i*stride:][:stride]
		s0, s1 := bias, int32(0)
		for d := 0; d+1 < len(row) && d+1 < len(q); d += 2 {
			s0 += int32(q[d]) * int32(row[d])
			s1 += int32(q[d+1]) * int32(row[d+1])
		}
		out[i] = s0 + s1
	}
}

func dotU8x16Go(pack []int8, bias *[lanes]int32, codes []byte, out []int32) {
	stride := len(pack) / lanes
	for i := range len(out) / lanes {
		acc := *bias
		row := codes[i*stride:][:stride]
		for d := 0; d < stride; d += 4 {
			p := (*[4 * lanes]int8)(pack[d*lanes:])
			c0, c1, c2, c3 := int32(row[d]), int32(row[d+1]), int32(row[d+2]), int32(row[d+3])
			for l := range acc {
				acc[l] += int32(p[4*l])*c0 + int32(p[4*l+1])*c1 + int32(p[4*l+2])*c2 + int32(p[4*l+3])*c3
			}
		}
		*(*[lanes]int32)(out[i*lanes:]) = acc
	}
}

// scaleGo and signsGo begin at an index, with bits that are clear from there on.
func scaleGo(dots []int32, scales []float32, qscale, threshold float32, scores []float32, pass []uint64, from int) {
	scales, scores = scales[:len(dots)], scores[:len(dots)]
	for i := from; i < len(dots); i++ {
		s := float32(float32(dots[i])*scales[i]) * qscale
		scores[i] = s
		if s >= threshold {
			pass[i/64] |= 1 << (i % 64)
		}
	}
}

func scale16Go(dots []int32, scales []float32, qscale, threshold *[lanes]float32, scores []float32, pass []uint16) {
	for i := range pass {
		var m uint16
		for l := range lanes {
			s := float32(float32(dots[i*lanes+l])*scales[i]) * qscale[l]
			scores[i*lanes+l] = s
			if s >= threshold[l] {
				m |= 1 << l
			}
		}
		pass[i] = m
	}
}

// sum64 is the order of float sums: value d belongs to lane d%64 and lanes are
// added up in halves the way that vector registers of any width can.
func sum64(l *[64]float32) float32 {
	var a [16]float32
	for i := range a {
		a[i] = (l[i] + l[16+i]) + (l[32+i] + l[48+i])
	}
	for w := 8; w > 0; w /= 2 {
		for i := range w {
			a[i] += a[i+w]
		}
	}
	return a[0]
}

func dotF32Go(q []float32, rows []byte, out []float32) {
	for i := range out {
		var l [64]float32
		row := rows[i*4*len(q):][:4*len(q)]
		for d, x := range q {
			// The conversion forbids fusing the product into the sum.
			l[d%64] += float32(x * math.Float32frombits(binary.LittleEndian.Uint32(row[4*d:])))
		}
		out[i] = sum64(&l)
	}
}

func dotF16Go(q []float32, rows []byte, out []float32) {
	for i := range out {
		var l [64]float32
		row := rows[i*2*len(q):][:2*len(q)]
		for d, x := range q {
			l[d%64] += float32(x * elem.FromHalf(binary.LittleEndian.Uint16(row[2*d:])))
		}
		out[i] = sum64(&l)
	}
}

func hammingGo(q []uint64, rows []byte, out []int32) {
	for i := range out {
		row := rows[i*8*len(q):][:8*len(q)]
		n := 0
		for w, x := range q {
			n += bits.OnesCount64(x ^ binary.LittleEndian.Uint64(row[8*w:]))
		}
		out[i] = int32(n)
	}
}

func planesGo(q []uint64, bias int32, rows []byte, out []int32) {
	size := 2 * len(q)
	for i := range out {
		row := rows[i*size:][:size]
		n := 0
		for w := 0; w+4 <= len(q); w += 4 {
			p, x := (*[4]uint64)(q[w:]), binary.LittleEndian.Uint64(row[2*w:])
			n += bits.OnesCount64(x&p[0]) + 2*bits.OnesCount64(x&p[1]) + 4*bits.OnesCount64(x&p[2]) - 8*bits.OnesCount64(x&p[3])
		}
		out[i] = bias + 2*int32(n)
	}
}

func signsGo(diff []int32, dim int32, threshold float32, scores []float32, pass []uint64, from int) {
	for i := from; i < len(diff); i++ {
		s := float32(dim - 2*diff[i])
		scores[i] = s
		if s >= threshold {
			pass[i/64] |= 1 << (i % 64)
		}
	}
}

func max16Go(dots []int32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
	for i, s := range scales {
		for l, d := range (*[lanes]int32)(dots[i*lanes:]) {
			if v := float32(d) * s; v > best[l] {
				best[l], arg[l] = v, first+int32(i)
			}
		}
	}
}

func maxResidual16Go(dots []int32, scales []float32, centroids []int32, table []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
	for i, s := range scales {
		t := (*[lanes]float32)(table[int(centroids[i])*lanes:])
		for l, d := range (*[lanes]int32)(dots[i*lanes:]) {
			if v := float32(float32(d)*s) + t[l]; v > best[l] {
				best[l], arg[l] = v, first+int32(i)
			}
		}
	}
}

func maxFloat16Go(dots []float32, scales []float32, first int32, best *[lanes]float32, arg *[lanes]int32) {
	for i, s := range scales {
		for l, d := range (*[lanes]float32)(dots[i*lanes:]) {
			if v := d * s; v > best[l] {
				best[l], arg[l] = v, first+int32(i)
			}
		}
	}
}

func across16Go(dots []int32, lane *[lanes]float32, rows []float32, plus *[lanes]float32, first int32, best []float32, arg []int32) {
	best, arg = best[:len(rows)], arg[:len(rows)]
	for i, s := range rows {
		for l, d := range (*[lanes]int32)(dots[i*lanes:]) {
			if v := float32(float32(float32(d)*lane[l])*s) + plus[l]; v > best[i] {
				best[i], arg[i] = v, first+int32(l)
			}
		}
	}
}

func expand2Go(codes []byte, levels *[16]byte, out []byte) {
	for g := 0; g < len(codes); g += 16 {
		c, o := codes[g:g+16], out[4*g:4*g+64]
		for i, b := range c {
			o[i] = levels[b&3]
			o[16+i] = levels[b>>2&3]
			o[32+i] = levels[b>>4&3]
			o[48+i] = levels[b>>6]
		}
	}
}

func expand4Go(codes []byte, levels *[16]byte, out []byte) {
	for g := 0; g < len(codes); g += 32 {
		c, o := codes[g:g+32], out[2*g:2*g+64]
		for i, b := range c {
			o[i] = levels[b&15]
			o[32+i] = levels[b>>4]
		}
	}
}

func expandF16Go(rows []byte, out []float32) {
	for i := range out {
		out[i] = elem.FromHalf(binary.LittleEndian.Uint16(rows[2*i:]))
	}
}

func dotF32x16Go(pack []float32, rows []float32, out []float32) {
	stride := len(pack) / lanes
	for i := range len(out) / lanes {
		var acc [lanes]float32
		for d, x := range rows[i*stride:][:stride] {
			p := (*[lanes]float32)(pack[d*lanes:])
			for l := range acc {
				acc[l] += float32(p[l] * x)
			}
		}
		*(*[lanes]float32)(out[i*lanes:]) = acc
	}
}
