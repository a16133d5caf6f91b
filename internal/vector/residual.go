package vector

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/elem"
)

// residual is the trained part of the Residual codecs. A token is a centroid plus
// scale times a pattern of levels; centroids and levels are both int8, so that
// inner products with int8 words stay integer sums.
type residual struct {
	bits      int
	levels    [16]int8  // ascending; 4 of them for 2 bits
	steps     [509]byte // see nearest
	table     [16]byte  // levels+128, repeated to fill a register
	n         int       // centroids
	centroids []byte    // n × stride offset codes
	scales    []float32
}

const (
	// nullCentroid marks a null token: similarity 0 with everything.
	nullCentroid = 0xffff
	// maxCentroids leaves room for the null token and bounds what a corrupt
	// codebook can ask for.
	maxCentroids = 1 << 14
	// scaleUnit keeps the scales of L2-normalised tokens clear of the
	// subnormal range of float16.
	scaleUnit = 1.0 / 256
)

// The quantiser of least squared error for a normal distribution (Lloyd–Max),
// which is what residuals of trained encoders look like, in units of 1/127 of its
// outermost level. One scale a token adapts it to the token's residual.
var (
	levels2 = [4]int8{-127, -38, 38, 127}
	levels4 = [16]int8{-127, -96, -75, -58, -44, -31, -18, -6, 6, 18, 31, 44, 58, 75, 96, 127}
)

func newResidual(codec Codec, stride, n int) *residual {
	r := &residual{bits: 4, levels: levels4, n: n, centroids: make([]byte, n*stride), scales: make([]float32, n)}
	if codec == Residual2 {
		r.bits = 2
		copy(r.levels[:], levels2[:])
		clear(r.levels[4:])
	}
	r.steps = nearestSteps(r.levels[:1<<r.bits])
	for i := range r.table {
		r.table[i] = byte(int(r.levels[i&(1<<r.bits-1)]) + 128)
	}
	return r
}

// TrainOptions are the choices in training a residual codec. The zero value is
// a good one.
type TrainOptions struct {
	Centroids  int    // 0: 1024, or fewer for small samples
	Seed       uint64 // of the choice of first centroids
	Iterations int    // of k-means; 0: 8
	Workers    int    // goroutines; 0: GOMAXPROCS. Does not change the result
}

// TrainTokens learns the centroids of a Residual4 or Residual2 codec from a sample
// of tokens (n × dim, row-major). 64 tokens a centroid are plenty. The result
// depends on the arguments alone, not on the machine.
func TrainTokens(ctx context.Context, codec Codec, dim int, sample []float32, opts *TrainOptions) (*Tokens, error) {
	if codec != Residual4 && codec != Residual2 {
		return nil, fmt.Errorf("%w: %v is not trained", ErrCodec, codec)
	}
	rows, err := NewRows(Int8, dim, sample, nil)
	if err != nil {
		return nil, err
	}
	o := TrainOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Centroids == 0 {
		o.Centroids = min(1024, max(rows.N/32, 1))
	}
	if o.Iterations == 0 {
		o.Iterations = 8
	}
	if o.Centroids < 1 || o.Centroids > maxCentroids {
		return nil, fmt.Errorf("%w: %d centroids, want 1…%d", ErrShape, o.Centroids, maxCentroids)
	}
	c, err := KMeans(ctx, rows, o.Centroids, &KMeansOptions{Seed: o.Seed, Iterations: o.Iterations, Workers: o.Workers, Spherical: true})
	if err != nil {
		return nil, err
	}
	stride := Stride(dim)
	t := &Tokens{codec: codec, dim: dim, stride: stride, residual: newResidual(codec, stride, len(c)/dim)}
	for i := range t.residual.n {
		t.residual.scales[i] = encodeOffset(t.residual.centroids[i*stride:(i+1)*stride], c[i*dim:(i+1)*dim])
	}
	return t, nil
}

// encode fills codes and heads for the tokens.
func (r *residual) encode(codes, heads []byte, tokens, weights []float32, t *Tokens) {
	var (
		n, dim  = len(heads) / headBytes, t.dim
		row     = RowBytes(t.codec, dim)
		rest    = make([]float32, dim)
		level   = make([]byte, t.stride)
		nearest = r.nearestCentroids(tokens, n, t)
	)
	for i, centroid := range nearest {
		v := tokens[i*dim : (i+1)*dim]
		code, head := codes[i*row:(i+1)*row], heads[headBytes*i:headBytes*(i+1)]
		if centroid == nullCentroid {
			clear(code)
			putResidualHead(head, nullCentroid, 0, weights, i)
			continue
		}
		c, cs := r.centroids[int(centroid)*t.stride:], r.scales[centroid]
		for d, x := range v {
			rest[d] = finite(x, math.MaxFloat32/2) - float32(float32(int(c[d])-128)*cs)
		}
		s := r.fit(level, rest)
		r.packLevels(code, level)
		putResidualHead(head, centroid, elem.ToHalf(float32(math.Min(s/scaleUnit, elem.MaxHalf))), weights, i)
	}
}

// nearestCentroids returns the number of the centroid with the largest inner
// product for each token, the lowest number on a tie, and nullCentroid for zero
// vectors. 16 tokens lie in lanes and the centroids are the rows.
func (r *residual) nearestCentroids(tokens []float32, n int, t *Tokens) []uint16 {
	var (
		out  = make([]uint16, n)
		code = make([]int8, t.stride)
		dots = make([]int32, r.n*lanes)
		best [lanes]float32
		arg  [lanes]int32
	)
	for at := 0; at < n; at += lanes {
		p, used := newPack(t.stride), min(lanes, n-at)
		for l := range used {
			p.set(l, code, QuantizeInt8(code, tokens[(at+l)*t.dim:(at+l+1)*t.dim]))
		}
		kernel.dotU8x16(p.code, &p.bias, r.centroids, dots, nil)
		for l := range best {
			best[l], arg[l] = float32(math.Inf(-1)), 0
		}
		kernel.max16(dots, r.scales, 0, &best, &arg)
		for l := range used {
			out[at+l] = uint16(arg[l])
			if p.scale[l] == 0 {
				out[at+l] = nullCentroid
			}
		}
	}
	return out
}

func putResidualHead(head []byte, centroid, scale uint16, weights []float32, i int) {
	if weights != nil && !(weights[i] > 0) {
		scale = 0x7e00 // not a number
	}
	binary.LittleEndian.PutUint16(head, centroid)
	binary.LittleEndian.PutUint16(head[2:], scale)
}

func (r *residual) head(head []byte) (centroid int, scale float32) {
	return int(binary.LittleEndian.Uint16(head)), elem.FromHalf(binary.LittleEndian.Uint16(head[2:])) * scaleUnit
}

// fit chooses levels and the scale of least squared error by turns, and then
// widens the scale so that ⟨rest, pattern⟩ is ⟨rest, rest⟩. Least squares shrinks
// a vector (by 12 % with 2 bits) and with it every similarity; unshrunk, the
// error of a similarity is half as large where words and regions agree. Padding
// gets the level next to zero.
func (r *residual) fit(level []byte, rest []float32) (scale float64) {
	var sum float64
	for _, x := range rest {
		sum += float64(float64(x) * float64(x))
	}
	rms := math.Sqrt(sum / float64(len(rest)))
	// Outermost levels of the two quantisers, in standard deviations.
	outer := 2.733
	if r.bits == 2 {
		outer = 1.510
	}
	scale = rms * outer / 127
	var dot, norm float64
	for range 3 {
		dot, norm = 0, 0
		inv := 0.0
		if scale > 0 {
			inv = 1 / scale
		}
		for d, x := range rest {
			l := r.nearest(float64(x) * inv)
			level[d] = l
			q := float64(r.levels[l])
			dot += float64(float64(x) * q)
			norm += q * q
		}
		scale = dot / norm // no level is zero, so norm is not
	}
	for d := len(rest); d < len(level); d++ {
		level[d] = byte(1 << (r.bits - 1))
	}
	if dot <= 0 {
		return 0
	}
	return sum / dot
}

// nearest returns the number of the level nearest to x, halves upward. Half-way points
// are multiples of ½, so a table of half steps decides exactly.
func (r *residual) nearest(x float64) byte {
	return r.steps[int(math.Floor(2*min(max(x, -127), 127)))+254]
}

// nearestSteps is the table of nearest: element i is for x in [i/2−127, i/2−126.5).
func nearestSteps(levels []int8) (steps [509]byte) {
	l := 0
	for i := range steps {
		for l+1 < len(levels) && i-254 >= int(levels[l])+int(levels[l+1]) {
			l++
		}
		steps[i] = byte(l)
	}
	return steps
}

// packLevels packs level numbers, 64 values a group. With 2 bits, byte i of the
// 16 bytes of a group holds the values i, 16+i, 32+i and 48+i, lowest bits
// first; with 4 bits, byte i of 32 holds the values i and 32+i. So one shift of the
// whole register brings a quarter, or half, of a group into place.
func (r *residual) packLevels(code, level []byte) {
	per := 8 / r.bits
	span := 64 / per
	for i := range code {
		g, b := i/span*64, i%span
		var c byte
		for j := range per {
			c |= level[g+j*span+b] << (j * r.bits)
		}
		code[i] = c
	}
}

func (r *residual) decode(dst []float32, code, head []byte, t *Tokens) bool {
	c, s := r.head(head)
	switch {
	case s != s:
		clear(dst)
		return false
	case c >= r.n:
		clear(dst)
		return true
	}
	out := make([]byte, t.stride)
	generic.expand(r.bits, code, &r.table, out)
	centroid, cs := r.centroids[c*t.stride:], r.scales[c]
	for d := range dst {
		dst[d] = float32(float32(int(centroid[d])-128)*cs) + float32(float32(int(out[d])-128)*s)
	}
	return true
}

// tokensVersion is the first byte of a marshalled Tokens.
//
//	1  codec, 2 bytes of zero, dim uint32, centroids uint32, codes n × stride, scales n × float32
const tokensVersion = 1

// MarshalBinary writes all that UnmarshalTokens needs.
func (t *Tokens) MarshalBinary() ([]byte, error) {
	b := []byte{tokensVersion, byte(t.codec), 0, 0}
	b = binary.LittleEndian.AppendUint32(b, uint32(t.dim))
	if t.residual == nil {
		return binary.LittleEndian.AppendUint32(b, 0), nil
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(t.residual.n))
	b = append(b, t.residual.centroids...)
	for _, s := range t.residual.scales {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(s))
	}
	return b, nil
}

// UnmarshalTokens reads what MarshalBinary wrote. It keeps no reference to b, and
// bytes from an untrusted file are safe: the error wraps ErrCorrupt.
func UnmarshalTokens(b []byte) (*Tokens, error) {
	if len(b) < 12 {
		return nil, fmt.Errorf("%w: token codec of %d bytes", ErrCorrupt, len(b))
	}
	if b[0] != tokensVersion {
		return nil, fmt.Errorf("%w: token codec of version %d, know %d", ErrCorrupt, b[0], tokensVersion)
	}
	codec, dim, n := Codec(b[1]), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	b = b[12:]
	if dim < 1 || dim > MaxDim || n > maxCentroids {
		return nil, fmt.Errorf("%w: token codec with %d values and %d centroids", ErrCorrupt, dim, n)
	}
	stride := Stride(int(dim))
	if len(b) != int(n)*(stride+4) {
		return nil, fmt.Errorf("%w: token codec has %d bytes of centroids, want %d", ErrCorrupt, len(b), int(n)*(stride+4))
	}
	switch {
	case codec == Int8 || codec == F16 || codec == F32:
		if n != 0 {
			return nil, fmt.Errorf("%w: %v tokens with centroids", ErrCorrupt, codec)
		}
		return NewTokens(codec, int(dim))
	case codec != Residual4 && codec != Residual2 || n == 0:
		return nil, fmt.Errorf("%w: %v tokens with %d centroids", ErrCorrupt, codec, n)
	}
	r := newResidual(codec, stride, int(n))
	copy(r.centroids, b)
	for i := range r.scales {
		s := math.Float32frombits(binary.LittleEndian.Uint32(b[int(n)*stride+4*i:]))
		// Centroids are means of tokens that were scaled to unit length. Much larger ones
		// would overflow when tokens are encoded.
		if !(s >= 0 && s <= 1) {
			return nil, fmt.Errorf("%w: centroid %d of a token codec has scale %v", ErrCorrupt, i, s)
		}
		r.scales[i] = s
	}
	return &Tokens{codec: codec, dim: int(dim), stride: stride, residual: r}, nil
}
