package relevance

import (
	"math"

	"github.com/viterin/vek/vek32"
)

// likeness is the cosine of word vectors at which a label begins to mean a word.
const likeness = 0.6

// Labels are names that a detector gives, with a model's own word vectors of length 1.
type Labels struct {
	Names   []string
	Vectors []float32 // row-major
}

// Gains says for each token that is a word what a label of a picture adds for it: scale where the label is the word, and
// less where it is only like it. It is nil where no label means any of the words.
func (l *Labels) Gains(tokens []float32, isWord func(i int) bool, scale float32) (out []map[string]float32) {
	if len(l.Names) == 0 {
		return nil
	}
	dim := len(l.Vectors) / len(l.Names)
	n := len(tokens) / dim
	for i := range n {
		token := tokens[i*dim : (i+1)*dim]
		length := float32(math.Sqrt(float64(vek32.Dot(token, token))))
		if !isWord(i) || length == 0 {
			continue
		}
		for k, name := range l.Names {
			like := (vek32.Dot(token, l.Vectors[k*dim:(k+1)*dim])/length - likeness) / (1 - likeness)
			if !(like > 0) {
				continue
			}
			if out == nil {
				out = make([]map[string]float32, n)
			}
			if out[i] == nil {
				out[i] = map[string]float32{}
			}
			out[i][name] = scale * min(like, 1)
		}
	}
	return out
}
