package elem

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// halfValue is the definition: sign, exponent and fraction of a binary16 number.
func halfValue(h uint16) float64 {
	sign, e, m := 1-2*float64(h>>15), int(h>>10&31), float64(h&0x3ff)
	switch {
	case e == 0:
		return math.Copysign(math.Ldexp(m, -24), sign)
	case e < 31:
		return sign * math.Ldexp(1024+m, e-25)
	case m == 0:
		return math.Inf(int(sign))
	}
	return math.NaN()
}

func TestFromHalf(t *testing.T) {
	for i := range 1 << 16 {
		want, got := halfValue(uint16(i)), float64(FromHalf(uint16(i)))
		if math.IsNaN(want) {
			require.True(t, math.IsNaN(got), "%#x", i)
			continue
		}
		require.Equal(t, math.Float64bits(want), math.Float64bits(got), "%#x", i)
	}
}

// nearestHalf searches the half-precision numbers of x's sign, which ascend as their bits do.
func nearestHalf(x float64) uint16 {
	var sign uint16
	if math.Signbit(x) {
		sign, x = 0x8000, -x
	}
	lo, hi := uint16(0), uint16(0x7c00)
	for lo+1 < hi {
		if mid := (lo + hi) / 2; halfValue(mid) <= x {
			lo = mid
		} else {
			hi = mid
		}
	}
	above := halfValue(hi)
	if hi == 0x7c00 {
		above = 65536 // where the number after the largest would be
	}
	if d := (x - halfValue(lo)) - (above - x); d > 0 || d == 0 && lo%2 == 1 {
		lo = hi
	}
	return sign | lo
}

func TestToHalf(t *testing.T) {
	check := func(b uint32) {
		x := math.Float32frombits(b)
		if x != x {
			if h := ToHalf(x); FromHalf(h) == FromHalf(h) {
				t.Fatalf("ToHalf(NaN %08x) = %04x, a number", b, h)
			}
			return
		}
		if want, got := nearestHalf(float64(x)), ToHalf(x); want != got {
			t.Fatalf("ToHalf(%v) = %04x, want %04x", x, got, want)
		}
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 1 << 18 {
		check(r.Uint32())
	}
	for i := range uint32(1 << 16) { // every half and what lies just beside and between
		b := math.Float32bits(FromHalf(uint16(i)))
		for _, d := range []uint32{0, 1, ^uint32(0), 0x1000, 0x0fff, 0x1001} {
			check(b + d)
		}
	}
	require.EqualValues(t, MaxHalf, halfValue(0x7bff))
}

func TestLoad(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}
	require.Equal(t, []uint16{0x0201, 0x0403, 0x0605, 0x0807}, Load[uint16](b))
	require.Equal(t, []uint32{0x05040302, 0x09080706}, Load[uint32](b[1:]))
	require.Nil(t, Load[uint32](nil))
	require.NotNil(t, Load[uint32]([]byte{}))
	defer func(v bool) { hostLittle = v }(hostLittle)
	hostLittle = false
	require.Equal(t, []uint64{0x0102030405060708}, Load[uint64](b))
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8}, Bytes([]uint64{0x0102030405060708}))
	require.Equal(t, []float32{1.5}, Load[float32](Bytes([]float32{1.5})))
}
