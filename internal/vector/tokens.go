package vector

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// headBytes is what a token has besides its codes: a float32 scale, or the
// number of a centroid and a half-precision scale.
const headBytes = 4

// Tokens says how the tokens of a document become one block of bytes:
//
//	codes   n × RowBytes(Codec, Dim)
//	heads   n × 4
//
// A head is a float32 scale (Int8; F16 and F32, where it is 1, or 0 for a null token), or the
// number of a centroid as uint16 and a scale as float16 (Residual4, Residual2), all
// little endian. A scale that is not a number marks a token that takes no part.
// The number of tokens follows from the length of a block. Blocks need no
// alignment; a start at a multiple of 64 bytes is fastest.
type Tokens struct {
	codec    Codec
	dim      int
	stride   int
	residual *residual // Residual4, Residual2
}

// NewTokens returns the layout of Int8, F16 or F32 tokens. Residual codecs have to be
// trained: see TrainTokens.
func NewTokens(codec Codec, dim int) (*Tokens, error) {
	if codec != Int8 && codec != F16 && codec != F32 {
		return nil, fmt.Errorf("%w: tokens cannot be %v without training", ErrCodec, codec)
	}
	if dim < 1 || dim > MaxDim {
		return nil, fmt.Errorf("%w: tokens of %d values", ErrShape, dim)
	}
	return &Tokens{codec: codec, dim: dim, stride: Stride(dim)}, nil
}

// Codec returns the codec of the tokens.
func (t *Tokens) Codec() Codec { return t.codec }

// float says that tokens are compared as floats, not as integers.
func (t *Tokens) float() bool { return t.codec == F16 || t.codec == F32 }

// Dim returns the number of values of a token.
func (t *Tokens) Dim() int { return t.dim }

// TokenBytes returns the bytes that one token takes in a block.
func (t *Tokens) TokenBytes() int { return RowBytes(t.codec, t.dim) + headBytes }

// Count returns the number of tokens in a block of the given length.
func (t *Tokens) Count(block []byte) int { return len(block) / t.TokenBytes() }

// AppendBlock appends the block of the row-major tokens (n × Dim) to dst. A token
// whose weight is 0 or less takes no part; nil weights are all 1. (A weight
// other than 0 and 1 is not stored.)
func (t *Tokens) AppendBlock(dst []byte, tokens, weights []float32) ([]byte, error) {
	n := len(tokens) / t.dim
	if len(tokens)%t.dim != 0 || weights != nil && len(weights) != n {
		return dst, fmt.Errorf("%w: %d values and %d weights for tokens of %d values", ErrShape, len(tokens), len(weights), t.dim)
	}
	at, row := len(dst), RowBytes(t.codec, t.dim)
	dst = slices.Grow(dst, n*t.TokenBytes())[:at+n*t.TokenBytes()]
	codes, heads := dst[at:at+n*row], dst[at+n*row:]
	if t.residual != nil {
		t.residual.encode(codes, heads, tokens, weights, t)
		return dst, nil
	}
	for i := range n {
		v := tokens[i*t.dim : (i+1)*t.dim]
		s := EncodeRow(t.codec, codes[i*row:], v, nil)
		if t.float() && isZero(v) {
			s = 0
		}
		if weights != nil && !(weights[i] > 0) {
			s = float32(math.NaN())
		}
		binary.LittleEndian.PutUint32(heads[headBytes*i:], math.Float32bits(s))
	}
	return dst, nil
}

// Decode fills dst, which has Dim values, with what token i of the block stands
// for, and reports whether the token takes part.
func (t *Tokens) Decode(dst []float32, block []byte, i int) bool {
	codes, heads := t.split(block)
	row := RowBytes(t.codec, t.dim)
	code, head := codes[i*row:(i+1)*row], heads[headBytes*i:headBytes*(i+1)]
	dst = dst[:t.dim]
	if t.residual != nil {
		return t.residual.decode(dst, code, head, t)
	}
	s := math.Float32frombits(binary.LittleEndian.Uint32(head))
	if s != s {
		clear(dst)
		return false
	}
	DecodeRow(t.codec, dst, code, s)
	return true
}

// Unpack copies the codes and the scales of a block of Int8 tokens, as AppendBlock describes them, to rows of Stride(Dim) bytes.
func (t *Tokens) Unpack(block []byte, codes []byte, scales []float32) {
	from, heads := t.split(block)
	copy(codes, from)
	for i := range t.Count(block) {
		scales[i] = math.Float32frombits(binary.LittleEndian.Uint32(heads[headBytes*i:]))
	}
}

// TakesPart reports whether token i of the block takes part.
func (t *Tokens) TakesPart(block []byte, i int) bool {
	_, heads := t.split(block)
	head := heads[headBytes*i : headBytes*(i+1)]
	var s float32
	if t.residual != nil {
		_, s = t.residual.head(head)
	} else {
		s = math.Float32frombits(binary.LittleEndian.Uint32(head))
	}
	return s == s
}

// split cuts a block into codes and heads; surplus bytes are left out.
func (t *Tokens) split(block []byte) (codes, heads []byte) {
	n := t.Count(block)
	row := RowBytes(t.codec, t.dim)
	return block[:n*row], block[n*row : n*(row+headBytes)]
}

func isZero(v []float32) bool {
	for _, x := range v {
		if x != 0 {
			return false
		}
	}
	return true
}
