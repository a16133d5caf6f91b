package scorer

import (
	"context"
	"fmt"

	"github.com/aladin-go/aladin/internal/vector"
)

// Tokens say how the tokens of a document become one block of bytes: the codes of n tokens, each padded to a
// multiple of 64 values, then n heads of 4 bytes. The number of tokens follows from the length of a block.
//
// A head is a float32 scale (Int8; F16 and F32, where it is 1, or 0 for a null token), or the number of a centroid as
// uint16 and a scale in units of 1/256 as float16 (FourBit, TwoBit), all little endian. A scale that is not a
// number marks a token that takes no part. FourBit and TwoBit codes are packed 64 values a group: with 2 bits,
// byte i of the 16 bytes of a group holds the values i, 16+i, 32+i and 48+i, lowest bits first; with 4 bits,
// byte i of 32 holds the values i and 32+i.
type Tokens struct {
	t *vector.Tokens
}

// NewTokens returns the layout of Int8, F16 or F32 tokens. FourBit and TwoBit have to be trained: see [TrainTokens].
func NewTokens(codec Codec, dim int) (*Tokens, error) {
	t, err := vector.NewTokens(codec, dim)
	return &Tokens{t}, err
}

// TrainOptions are the choices in training a codec of tokens. The zero value is a good one.
type TrainOptions struct {
	Centroids  int    // 0: 1024, or fewer for small samples
	Seed       uint64 // of the choice of first centroids
	Iterations int    // of k-means; 0: 8
	Workers    int    // goroutines; 0: GOMAXPROCS. Does not change the result
}

// TrainTokens learns the centroids of FourBit or TwoBit tokens from a sample (n × dim, row-major). 64 tokens a
// centroid are plenty. The result depends on the arguments alone, not on the machine.
func TrainTokens(ctx context.Context, codec Codec, dim int, sample []float32, opts *TrainOptions) (*Tokens, error) {
	t, err := vector.TrainTokens(ctx, codec, dim, sample, (*vector.TrainOptions)(opts))
	return &Tokens{t}, err
}

// AppendBlock appends the block of the row-major tokens (n × dim) to dst. A token whose weight is 0 or less
// takes no part; nil weights are all 1. (A weight other than 0 and 1 is not stored.)
func (t *Tokens) AppendBlock(dst []byte, tokens, weights []float32) ([]byte, error) {
	return t.t.AppendBlock(dst, tokens, weights)
}

// MarshalBinary writes what reading blocks needs: the codec, the dimension and trained centroids.
func (t *Tokens) MarshalBinary() ([]byte, error) { return t.t.MarshalBinary() }

// UnmarshalBinary reads what MarshalBinary wrote. Bytes from an untrusted file are safe: the error wraps
// [ErrCorrupt].
func (t *Tokens) UnmarshalBinary(b []byte) (err error) {
	t.t, err = vector.UnmarshalTokens(b)
	return err
}

// A MaxSim is a set of tokens prepared to be aligned with blocks of other tokens: the words of a caption
// against the regions of images (Score), or the regions of an image against the words of captions
// (ScoreReverse).
type MaxSim struct {
	m *vector.MaxSim
}

// NewMaxSim prepares tokens (n × dim, row-major) to be aligned with blocks that t made. weights are ≥ 0, one a
// token; nil is all 1. A token of weight 0 takes no part.
func NewMaxSim(t *Tokens, tokens, weights []float32) (*MaxSim, error) {
	m, err := vector.NewMaxSim(t.t, tokens, weights)
	return &MaxSim{m}, err
}

// scorePiece is how many blocks are aligned between looks at the context.
const scorePiece = 64

// Score aligns the words of m with the regions of each block and returns a score a block,
// Σ_w weight_w · max_r ⟨w, r⟩. It uses all processors.
func (m *MaxSim) Score(ctx context.Context, blocks [][]byte) ([]float32, error) {
	scores := make([]float32, len(blocks))
	return scores, vector.InPieces(ctx, len(blocks), scorePiece, 0, func(lo, hi int) {
		m.m.Score(blocks[lo:hi], scores[lo:hi])
	})
}

// ScoreReverse aligns the regions of m with the words of each block. weights[i] holds the weights of the words
// of blocks[i]; nil weights, or a nil weights[i], are all 1. A word that was coded with weight 0 takes no part
// whatever weights say. The weights of the regions only say which of them take part.
//
// A caption and an image get the same score in both directions if both are Int8 or both are F16.
func (m *MaxSim) ScoreReverse(ctx context.Context, blocks [][]byte, weights [][]float32) ([]float32, error) {
	if weights != nil && len(weights) != len(blocks) {
		return nil, fmt.Errorf("%w: weights of %d blocks for %d blocks", ErrShape, len(weights), len(blocks))
	}
	scores := make([]float32, len(blocks))
	return scores, vector.InPieces(ctx, len(blocks), scorePiece, 0, func(lo, hi int) {
		var w [][]float32
		if weights != nil {
			w = weights[lo:hi]
		}
		m.m.ScoreReverse(blocks[lo:hi], w, scores[lo:hi])
	})
}

// A Best is the counterpart of one word.
type Best struct {
	Region     int     // −1: the word or all regions take no part
	Similarity float32 // of word and region; 0 without a region
}

// Explain returns, for each word of m, the region of the block that it matches best, and the score that Score
// gives.
func (m *MaxSim) Explain(block []byte) (words []Best, score float32) {
	best, score := m.m.Explain(block)
	return bests(best), score
}

// ExplainReverse returns, for each word of the block, the region of m that it matches best, and the score that
// ScoreReverse gives.
func (m *MaxSim) ExplainReverse(block []byte, weights []float32) (words []Best, score float32) {
	best, score := m.m.ExplainReverse(block, weights)
	return bests(best), score
}

func bests(bs []vector.Best) []Best {
	out := make([]Best, len(bs))
	for i, b := range bs {
		out[i] = Best(b)
	}
	return out
}
