package jpeg

import "math"

// natural is the place in a block (8·row + column) of each coefficient in zigzag order.
var natural = func() (out [64]int) {
	x, y, dx := 0, 0, 1
	for i := range out {
		out[i] = 8*y + x
		switch { // along a diagonal, turned at the edges
		case dx > 0 && x == 7:
			y, dx = y+1, -1
		case dx > 0 && y == 0:
			x, dx = x+1, -1
		case dx < 0 && y == 7:
			x, dx = x+1, 1
		case dx < 0 && x == 0:
			y, dx = y+1, 1
		default:
			x, y = x+dx, y-dx
		}
	}
	return out
}()

// reconstruct writes the samples of block x, y, which is k×k of them. flat says that only the mean is not 0.
func (p *Plane) reconstruct(b *[64]int32, flat bool, x, y, k int) {
	dst := p.Pix[y*k*p.Stride+x*k:]
	if flat || k == 1 {
		v := level((b[0] + 4) >> 3)
		for r := range k {
			row := dst[r*p.Stride:][:k]
			for i := range row {
				row[i] = v
			}
		}
		return
	}
	switch k {
	case 8:
		inverse8(b, dst, p.Stride)
	default:
		inverse(b, dst, p.Stride, k)
	}
}

// level is a sample, whose values are centred around 0.
func level(v int32) uint8 { return uint8(min(max(v+128, 0), 255)) }

// basis[k] is the k-point inverse transform: of frequency u at x, with fracBits.
const fracBits = 12

var basis = func() (out [5][4][4]int32) {
	for _, k := range []int{2, 4} {
		for u := range k {
			for x := range k {
				c := math.Cos(float64((2*x+1)*u) * math.Pi / float64(2*k))
				if u == 0 {
					c = math.Sqrt2 / 2
				}
				out[k][u][x] = int32(math.Round(c / 2 * (1 << fracBits)))
			}
		}
	}
	return out
}()

// inverse makes k×k samples (4×4 or 2×2) of the lowest frequencies: what averaging the full block would
// give, but for the frequencies that so few samples cannot have.
func inverse(b *[64]int32, dst []uint8, stride, k int) {
	var tmp [16]int32
	m := &basis[k]
	for v := range k {
		for x := range k {
			var s int32
			for u := range k {
				s += b[8*v+u] * m[u][x]
			}
			tmp[v*k+x] = (s + 1<<(fracBits-5)) >> (fracBits - 4) // four more bits than samples
		}
	}
	for x := range k {
		for y := range k {
			var s int64
			for v := range k {
				s += int64(tmp[v*k+x]) * int64(m[v][y])
			}
			dst[y*stride+x] = level(int32((s + 1<<(fracBits+3)) >> (fracBits + 4)))
		}
	}
}

// The constants of Loeffler, Ligtenberg and Moschytz's transform ("Practical fast 1-D DCT algorithms with 11
// multiplications", 1989), with 13 bits of fraction as in libjpeg's accurate integer transform, so that
// samples are the same.
const (
	lBits  = 13
	lKeep  = 2 // bits of fraction kept between the passes
	l0p298 = 2446
	l0p390 = 3196
	l0p541 = 4433
	l0p765 = 6270
	l0p899 = 7373
	l1p175 = 9633
	l1p501 = 12299
	l1p847 = 15137
	l1p961 = 16069
	l2p053 = 16819
	l2p562 = 20995
	l3p072 = 25172
)

// inverse8 makes 8×8 samples: first the columns, then the rows.
func inverse8(b *[64]int32, dst []uint8, stride int) {
	for x := range 8 {
		if b[8+x]|b[16+x]|b[24+x]|b[32+x]|b[40+x]|b[48+x]|b[56+x] == 0 {
			dc := b[x] << lKeep
			for y := range 8 {
				b[8*y+x] = dc
			}
			continue
		}
		o := line(b[x], b[8+x], b[16+x], b[24+x], b[32+x], b[40+x], b[48+x], b[56+x])
		const round, shift = 1 << (lBits - lKeep - 1), lBits - lKeep
		for y, v := range o {
			b[8*y+x] = (v + round) >> shift
		}
	}
	for y := range 8 {
		r := b[8*y : 8*y+8 : 8*y+8]
		o := line(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
		const round, shift = 1 << (lBits + lKeep + 2), lBits + lKeep + 3
		row := dst[y*stride:][:8]
		for x, v := range o {
			row[x] = level((v + round) >> shift)
		}
	}
}

// line is the one-dimensional transform, with lBits of fraction.
func line(i0, i1, i2, i3, i4, i5, i6, i7 int32) [8]int32 {
	z := (i2 + i6) * l0p541
	e2, e3 := z-i6*l1p847, z+i2*l0p765
	e0, e1 := (i0+i4)<<lBits, (i0-i4)<<lBits
	a0, a3, a1, a2 := e0+e3, e0-e3, e1+e2, e1-e2

	z1, z2, z3, z4 := i7+i1, i5+i3, i7+i3, i5+i1
	z5 := (z3 + z4) * l1p175
	z1, z2 = -z1*l0p899, -z2*l2p562
	z3, z4 = z5-z3*l1p961, z5-z4*l0p390
	o0 := i7*l0p298 + z1 + z3
	o1 := i5*l2p053 + z2 + z4
	o2 := i3*l3p072 + z2 + z3
	o3 := i1*l1p501 + z1 + z4
	return [8]int32{a0 + o3, a1 + o2, a2 + o1, a3 + o0, a3 - o0, a2 - o1, a1 - o2, a0 - o3}
}
