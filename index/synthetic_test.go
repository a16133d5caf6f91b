package index_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/aladin-go/aladin/index"
)

// synth makes encodings that look like a model's: unit vectors, some null and
// inactive regions, captions with words.
type synth struct {
	rng           *rand.Rand
	dim, tokenDim int
}

func newSynth(seed uint64, dim, tokenDim int) *synth {
	return &synth{rng: rand.New(rand.NewPCG(seed, 1)), dim: dim, tokenDim: tokenDim}
}

func (s *synth) unit(dim int) []float32 {
	v := make([]float32, dim)
	var sum float64
	for i := range v {
		v[i] = float32(s.rng.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

func (s *synth) image(regions int) *index.Encoding {
	e := &index.Encoding{Kind: index.Image, Model: "model-a", Matching: s.unit(s.dim)}
	for r := range regions {
		x, y := s.rng.Float32()/2, s.rng.Float32()/2
		if r == regions-1 && regions > 2 {
			e.Tokens = append(e.Tokens, make([]float32, s.tokenDim)...) // a null region
			e.Boxes = append(e.Boxes, index.Box{})
			e.Labels = append(e.Labels, "")
		} else {
			e.Tokens = append(e.Tokens, s.unit(s.tokenDim)...)
			e.Boxes = append(e.Boxes, index.Box{x, y, x + 0.5, y + 0.5})
			e.Labels = append(e.Labels, fmt.Sprintf("thing %d", s.rng.IntN(20)))
		}
		w := float32(1)
		if r == 0 && regions > 1 {
			w = 0
		}
		e.Weights = append(e.Weights, w)
	}
	return e
}

func (s *synth) caption(words int) *index.Encoding {
	e := &index.Encoding{Kind: index.Caption, Model: "model-a", Matching: s.unit(s.dim)}
	for w := range words {
		start := len(e.Text)
		word := fmt.Sprintf("word%d", s.rng.IntN(50))
		e.Text += word + " "
		e.Words = append(e.Words, index.Word{Text: word, Start: start, End: start + len(word)})
		e.Tokens = append(e.Tokens, s.unit(s.tokenDim)...)
		weight := float32(1)
		if w == 0 {
			weight = 0
		}
		e.Weights = append(e.Weights, weight)
	}
	return e
}
