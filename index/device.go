package index

import (
	"context"
	"math"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/vector"
)

// A Device aligns words with tokens that it keeps, such as a GPU, in place of the CPU's kernels: see
// SearchOptions.Device. It is safe for concurrent use.
type Device interface {
	// Align writes the score of the words with each span of the tokens: Σ weight · max ⟨word, token⟩ over the span.
	// Nil weights are all 1. False says that it has no room for the tokens, and nothing was written.
	Align(ctx context.Context, words, weights []float32, tokens *DeviceTokens, spans []Span, scores []float32) (bool, error)
}

// DeviceTokens are tokens that a Device may keep.
type DeviceTokens struct {
	Key    any // tells them from others; equal keys mean equal tokens
	N, Dim int
	// Load fills N rows of codes, each of Dim bytes rounded up to 64, and as many scales. A code is a value over the scale,
	// plus 128; a token whose scale is not a number takes no part. What it reads may panic as a damaged file does.
	Load func(codes []byte, scales []float32) error
}

// A Span is some of the tokens of DeviceTokens: those of an item.
type Span struct{ First, N int }

// deviceBlock is how many tokens go to a device together; at 512 values they fit into the smallest buffer that WebGPU promises.
var deviceBlock = 1 << 18

// deviceSpan is the most tokens of an item; those of more are aligned by the CPU.
const deviceSpan = 512

// deviceKey names a part of a segment's tokens by their content.
type deviceKey struct {
	file   string
	extent container.Extent
	part   int
}

// onDevice scores hits by a device and moves those that it leaves to the CPU to the front, of which it returns the number.
func (a *aligner) onDevice(ctx context.Context, hits []Hit) (left int, err error) {
	sn, ok := a.from.(*snapshot)
	if a.device == nil || !ok || sn.store.tokens.Codec() != vector.Int8 {
		return len(hits), nil
	}
	type group struct {
		seg, part int
	}
	groups := map[group][]int{}
	var order []group
	spans := make([]Span, len(hits))
	for i := range hits {
		h := &hits[i]
		_, first, n, err := sn.segments[h.at.seg].block(h.at.row)
		if err != nil {
			return 0, err
		}
		if n == 0 || n > deviceSpan || a.reversed(h) {
			continue
		}
		g := group{h.at.seg, first / deviceBlock}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], i)
		spans[i] = Span{first - g.part*deviceBlock, n}
	}
	done := make([]bool, len(hits))
	for _, g := range order {
		members := groups[g]
		at, scores := make([]Span, len(members)), make([]float32, len(members))
		for k, i := range members {
			at[k] = spans[i]
		}
		err := a.from.guard(func() error {
			ok, err = a.device.Align(ctx, a.q.Tokens, a.q.Weights, sn.segments[g.seg].deviceTokens(sn.r.Name(), g.part), at, scores)
			return err
		})
		if err != nil {
			return 0, err
		}
		for k, i := range members {
			done[i] = ok
			if ok {
				hits[i].Align = scores[k]
			}
		}
	}
	for i := range hits {
		if !done[i] {
			hits[left], hits[i] = hits[i], hits[left]
			done[left], done[i] = done[i], done[left]
			left++
		}
	}
	return left, nil
}

// deviceTokens are a part of the segment's tokens, and those of an item that begins in it.
func (s *segment) deviceTokens(file string, part int) *DeviceTokens {
	section, _ := s.info.Section(format.KindToken)
	first := part * deviceBlock
	end := min(first+deviceBlock+deviceSpan, int(s.info.Tokens))
	dim := s.store.tokens.Dim()
	return &DeviceTokens{
		Key: deviceKey{file, section.Extent, part}, N: end - first, Dim: dim,
		Load: func(codes []byte, scales []float32) error {
			for i := range scales {
				scales[i] = float32(math.NaN())
			}
			stride := vector.Stride(dim)
			row, heads := make([]byte, stride*deviceSpan), make([]float32, deviceSpan)
			for i := range s.n {
				block, at, n, err := s.block(i)
				if err != nil {
					return err
				}
				if n > deviceSpan || at+n <= first || at >= end {
					continue
				}
				s.store.tokens.Unpack(block, row, heads)
				from, to := max(0, first-at), min(n, end-at)
				copy(codes[(at+from-first)*stride:], row[from*stride:to*stride])
				copy(scales[at+from-first:], heads[from:to])
			}
			return nil
		},
	}
}
