package vector

import (
	"encoding/binary"
	"math"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/elem"
)

// MaxDim is the largest dimension of a vector. It keeps every integer sum of
// products within 32 bits whatever the codes are.
const MaxDim = 1 << 15

// A Codec says how a vector becomes bytes: F32, F16, Int8 or Bits for rows; Int8, F16, Residual4 or Residual2
// for tokens.
type Codec = format.Codec

const (
	F32       = format.CodecF32
	F16       = format.CodecF16
	Int8      = format.CodecInt8
	Bits      = format.CodecBits
	Residual4 = format.Codec4Bit
	Residual2 = format.Codec2Bit
)

// Stride returns dim rounded up to a multiple of 64, the number of elements in a
// row of codes.
func Stride(dim int) int { return (dim + 63) &^ 63 }

// RowBytes returns the bytes of one row of codes for vectors of dim values,
// without scales and token heads.
func RowBytes(c Codec, dim int) int {
	s := Stride(dim)
	switch c {
	case F32:
		return 4 * s
	case F16:
		return 2 * s
	case Int8:
		return s
	case Residual4:
		return s / 2
	case Residual2:
		return s / 4
	case Bits:
		return s / 8
	}
	return 0
}

// HasScale reports whether each row of codes comes with a float32 scale.
func HasScale(c Codec) bool { return c == Int8 }

// EncodeRow writes v as one row of codes to dst, which must have
// RowBytes(c, len(v)) bytes, and returns the row's scale (1 for codecs without
// one). For Bits, centre is subtracted before signs are taken; nil is no centre.
// The other codecs ignore centre. Not a number becomes 0; infinities become the
// largest value that can be written. EncodeRow is for the codecs of Rows: F32,
// F16, Int8 and Bits; Tokens encodes tokens.
func EncodeRow(c Codec, dst []byte, v, centre []float32) (scale float32) {
	n := Stride(len(v))
	dst = dst[:RowBytes(c, len(v))]
	switch c {
	case F32:
		for i, x := range v {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(finite(x, math.MaxFloat32)))
		}
		clear(dst[4*len(v):])
		return 1
	case F16:
		for i, x := range v {
			binary.LittleEndian.PutUint16(dst[2*i:], elem.ToHalf(finite(x, elem.MaxHalf)))
		}
		clear(dst[2*len(v):])
		return 1
	case Int8:
		return encodeOffset(dst[:n], v)
	case Bits:
		encodeBits(dst, v, centre)
		return 1
	}
	panic("vector: EncodeRow: " + c.String() + " is not a codec of rows")
}

// DecodeRow is the approximate inverse of EncodeRow: it fills dst with the
// vector that code and scale stand for. Bits decode to ±1.
func DecodeRow(c Codec, dst []float32, code []byte, scale float32) {
	code = code[:RowBytes(c, len(dst))]
	switch c {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(code[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = elem.FromHalf(binary.LittleEndian.Uint16(code[2*i:]))
		}
	case Int8:
		for i := range dst {
			dst[i] = float32(int(code[i])-128) * scale
		}
	case Bits:
		for i := range dst {
			dst[i] = float32(int(code[i/8]>>(i%8)&1)*2 - 1)
		}
	default:
		panic("vector: DecodeRow: " + c.String() + " is not a codec of rows")
	}
}

// QuantizeInt8 writes v to dst as signed integers −127…127, rounding halves to
// even, and returns the scale: v[i] ≈ scale·dst[i]. The scale is the largest
// finite magnitude over 127, so it is 0 for a zero vector.
func QuantizeInt8(dst []int8, v []float32) (scale float32) {
	dst = dst[:len(v)]
	inv, scale := int8Scale(v)
	for i, x := range v {
		dst[i] = int8(roundInt8(x, inv))
	}
	return scale
}

// encodeOffset is QuantizeInt8 with 128 added; dst is longer than v by the padding.
func encodeOffset(dst []byte, v []float32) (scale float32) {
	inv, scale := int8Scale(v)
	for i, x := range v {
		dst[i] = byte(roundInt8(x, inv) + 128)
	}
	for i := len(v); i < len(dst); i++ {
		dst[i] = 128
	}
	return scale
}

func int8Scale(v []float32) (inv float64, scale float32) {
	// Magnitudes compare as their bits do, without a branch on the sign, which
	// nobody can predict.
	const sign, infinity = 1 << 31, 0x7f800000
	var top uint32
	for _, x := range v {
		if a := math.Float32bits(x) &^ sign; a > top && a < infinity {
			top = a
		}
	}
	m := math.Float32frombits(top)
	if m == 0 {
		return 0, 0
	}
	return 127 / float64(m), float32(float64(m) / 127)
}

// roundInt8 rounds x·inv to an integer, halves to even. Adding 1.5·2⁵² leaves no bits
// for a fraction, so the addition rounds and the low bits are the integer.
func roundInt8(x float32, inv float64) int {
	const shift = 3 << 51
	r := float64(float64(x) * inv)
	switch {
	case r > 127:
		return 127
	case r < -127:
		return -127
	case r != r: // x is not a number, or infinite beside nothing finite
		return 0
	}
	return int(int32(math.Float64bits(r + shift)))
}

func encodeBits(dst []byte, v, centre []float32) {
	clear(dst)
	for i, x := range v {
		if centre != nil {
			x -= centre[i]
		}
		if x >= 0 {
			dst[i/8] |= 1 << (i % 8)
		}
	}
}

func finite(x, limit float32) float32 {
	switch {
	case x != x:
		return 0
	case x > limit:
		return limit
	case x < -limit:
		return -limit
	}
	return x
}
