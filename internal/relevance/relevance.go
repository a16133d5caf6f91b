// Package relevance says how likely a hit is what was asked for: a logistic regression on what is known of the hit and of
// the query. What is known does not depend on what else was found, so that hits of different queries, and of the same query
// with other filters, can be compared:
//
//   - the score by which hits are ranked, without what labels add, and that;
//   - how much better that is than what the best twentieth of the model's reference pictures get for the same query. They
//     have nothing to do with it, so that is what one gets for nothing: much for words that fit many pictures, little for
//     rare ones;
//   - whether the text is short, by which the two count otherwise: many pictures fit "dog", and many references do, too;
//   - which shares of the words the model saw in few captions and in none.
package relevance

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/aladin-go/aladin/internal/bundle"
)

// Place is the place, from 0, of the reference picture that hits are compared with, of n.
func Place(n int) int { return n / 20 }

const (
	rare = 10 // captions: a word that was in fewer is hardly known
	long = 6  // words: so many are a sentence, and fewer are the shorter the fewer
)

// A Query is what is known of a text.
type Query struct {
	Words        int
	Rare, Unseen int // of them: seen in few captions, and in none
}

// Read looks at a text. Without counts no word is unseen.
func Read(text string, counts bundle.WordCounts) (q Query) {
	for _, w := range Words(text) {
		q.Words++
		switch n, known := counts[w]; {
		case counts == nil:
		case !known:
			q.Unseen++
		case n < rare:
			q.Rare++
		}
	}
	return q
}

// Words are those of a text that have a letter, in lower case.
func Words(text string) []string {
	all := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.DeleteFunc(all, func(w string) bool { return !strings.ContainsFunc(w, unicode.IsLetter) })
}

// unknowns are the weights of all features, and the bias.
const unknowns = bundle.RelevanceFeatures + 1

// Features are the variables of the regression.
type Features [bundle.RelevanceFeatures]float64

// Of are the features of a hit with a score and what labels add to it, where the reference picture of that place has
// another score.
func Of(score, labelled, reference float32, q Query) Features {
	n := float64(max(q.Words, 1))
	short := max(0, (long-n)/(long-1))
	s, margin := float64(score), float64(score-reference)
	return Features{s, margin, short, short * s, short * margin, float64(q.Rare) / n, float64(q.Unseen) / n, float64(labelled)}
}

// Rate is the relevance, 0…1.
func Rate(r *bundle.Relevance, f Features) float32 {
	sum := r.Bias
	for i, w := range r.Weights {
		sum += w * f[i]
	}
	return float32(1 / (1 + math.Exp(-sum)))
}

// Fit finds the weights by which features tell the right ones from the others: a logistic regression by Newton's method,
// with a little shrinkage, so that features which never vary count nothing. It gives nil where all are right, or none.
func Fit(all []Features, right []bool) *bundle.Relevance {
	const d = bundle.RelevanceFeatures
	mean, scale, positives := average(all), Features{}, 0
	for i, f := range all {
		if right[i] {
			positives++
		}
		for k, v := range f {
			scale[k] += (v - mean[k]) * (v - mean[k]) / float64(len(all))
		}
	}
	if positives == 0 || positives == len(all) {
		return nil
	}
	for k := range scale {
		scale[k] = math.Sqrt(scale[k])
	}
	var w [unknowns]float64 // the last is the bias
	x := func(f Features) (out [unknowns]float64) {
		for k, v := range f {
			if scale[k] > 1e-9 {
				out[k] = (v - mean[k]) / scale[k]
			}
		}
		out[d] = 1
		return out
	}
	const shrinkage, steps = 1, 25
	for range steps {
		var gradient [unknowns]float64
		var hessian [unknowns][unknowns]float64
		for k := range w {
			gradient[k], hessian[k][k] = -shrinkage*w[k], shrinkage
		}
		for i, f := range all {
			v := x(f)
			var sum float64
			for k := range w {
				sum += w[k] * v[k]
			}
			p := 1 / (1 + math.Exp(-sum))
			miss := -p
			if right[i] {
				miss++
			}
			for k := range w {
				gradient[k] += miss * v[k]
				for j := range w {
					hessian[k][j] += p * (1 - p) * v[k] * v[j]
				}
			}
		}
		for k, step := range solve(hessian, gradient) {
			w[k] += step
		}
	}
	out := &bundle.Relevance{Bias: w[d], Weights: make([]float64, d)}
	for k := range out.Weights {
		if scale[k] > 1e-9 {
			out.Weights[k] = w[k] / scale[k]
			out.Bias -= out.Weights[k] * mean[k]
		}
	}
	return out
}

// average is the mean of each feature.
func average(all []Features) (mean Features) {
	for _, f := range all {
		for k, v := range f {
			mean[k] += v / float64(len(all))
		}
	}
	return mean
}

// solve solves a system with a positive definite matrix by elimination.
func solve(a [unknowns][unknowns]float64, b [unknowns]float64) [unknowns]float64 {
	for k := range b {
		for i := k + 1; i < len(b); i++ {
			by := a[i][k] / a[k][k]
			for j := k; j < len(b); j++ {
				a[i][j] -= by * a[k][j]
			}
			b[i] -= by * b[k]
		}
	}
	for k := len(b) - 1; k >= 0; k-- {
		for j := k + 1; j < len(b); j++ {
			b[k] -= a[k][j] * b[j]
		}
		b[k] /= a[k][k]
	}
	return b
}
