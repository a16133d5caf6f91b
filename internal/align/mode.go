package align

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/viterin/vek/vek32"
)

// A Mode is how the similarities of words and regions become the score of a pair. The zero Mode is MrSw.
type Mode struct {
	name     string
	released bool
}

// modes are all of them; the first ones are sums over words of maxima over regions.
var modes = []string{"MrSw", "MrAVGw", "MrCOSw", "MwSr", "symm", "sum", "mean", "scan-sentences"}

const sumsOfMaxima = 3

// releasedCells is what the released evaluation divides the mode mean by: sides padded to 71, less what it cuts away.
const releasedCells = (71 - 1) * (71 - 3)

// ParseMode finds a mode by the name that bundles and configurations have for it; "" is MrSw. released says that
// the model is one of the released code, whose padding takes part in maxima and means.
func ParseMode(name string, released bool) (Mode, error) {
	if name == "" {
		name = modes[0]
	}
	if !slices.Contains(modes, name) {
		return Mode{}, fmt.Errorf("unknown alignment mode %q; there are %s", name, strings.Join(modes, ", "))
	}
	return Mode{name, released}, nil
}

// String is the mode's name.
func (m Mode) String() string {
	if m.name == "" {
		return modes[0]
	}
	return m.name
}

// Released is what ParseMode was told.
func (m Mode) Released() bool { return m.released }

// MaxSim says whether the score is Σ_w weight_w · max_r ⟨w, r⟩: the only one that kernels, indexes and searches
// compute. What MrAVGw and MrCOSw divide by is in the weights of the words.
func (m Mode) MaxSim() bool { return slices.Index(modes, m.String()) < sumsOfMaxima }

// A Side is the tokens of a caption or an image, row-major, and their weights; nil weights are all 1.
type Side struct {
	Tokens, Weights []float32
}

// present are the tokens that take part.
func (s Side) present(dim int) (rows [][]float32, weights []float32) {
	for k := 0; k*dim < len(s.Tokens); k++ {
		w := float32(1)
		if s.Weights != nil {
			w = s.Weights[k]
		}
		if w > 0 {
			rows, weights = append(rows, s.Tokens[k*dim:(k+1)*dim]), append(weights, w)
		}
	}
	return rows, weights
}

// Score is the score of a pair in full precision. Tokens are of dim values.
func (m Mode) Score(dim int, caption, image Side) float32 {
	words, weights := caption.present(dim)
	regions, _ := image.present(dim)
	sim := newSimilarities(words, regions)
	var score float64
	switch m.String() {
	case "MwSr":
		score = sim.overWords(m.released)
	case "symm":
		score = sim.overRegions(weights) + sim.overWords(m.released)
	case "sum":
		score = sim.sum()
	case "mean":
		cells := len(words) * len(regions)
		if m.released {
			cells = releasedCells
		}
		score = sim.sum() / float64(max(1, cells))
	case "scan-sentences":
		score = sim.crossAttention(words)
	default:
		score = sim.overRegions(weights)
	}
	return float32(score)
}

// similarities are the inner products of all words and regions of a pair.
type similarities struct {
	values         []float64 // by region, then by word
	regions, words int
}

func newSimilarities(words, regions [][]float32) *similarities {
	s := &similarities{make([]float64, 0, len(regions)*len(words)), len(regions), len(words)}
	for _, r := range regions {
		for _, w := range words {
			s.values = append(s.values, float64(vek32.Dot(r, w)))
		}
	}
	return s
}

func (s *similarities) region(r int) []float64 { return s.values[r*s.words : (r+1)*s.words] }

func (s *similarities) sum() (sum float64) {
	for _, v := range s.values {
		sum += v
	}
	return sum
}

// overRegions is the weighted sum over words of the best region's similarity.
func (s *similarities) overRegions(weights []float32) (sum float64) {
	if s.regions == 0 {
		return 0
	}
	for w := range s.words {
		best := math.Inf(-1)
		for r := range s.regions {
			best = max(best, s.region(r)[w])
		}
		sum += float64(weights[w]) * best
	}
	return sum
}

// overWords is the sum over regions of the best word's similarity; with padding, it is at least 0.
func (s *similarities) overWords(padded bool) (sum float64) {
	if s.words == 0 {
		return 0
	}
	for r := range s.regions {
		best := slices.Max(s.region(r))
		if padded {
			best = max(best, 0)
		}
		sum += best
	}
	return sum
}

// crossAttention is the mode scan-sentences: every region attends over the words by its positive similarities,
// normalised for each word, and is compared with the mean of the words that it attended to. That mean is never
// made: its product with the region, and its length, follow from the products of regions and words with words.
func (s *similarities) crossAttention(words [][]float32) (sum float64) {
	between := newSimilarities(words, words)
	norm := make([]float64, s.words)
	for w := range norm {
		for r := range s.regions {
			p := max(0, s.region(r)[w])
			norm[w] += p * p
		}
		norm[w] = math.Sqrt(norm[w] + 1e-24)
	}
	attention := make([]float64, s.words)
	for r := range s.regions {
		row := s.region(r)
		total := 0.0
		for w, v := range row { // at most 1: nothing overflows
			attention[w] = math.Exp(max(0, v) / norm[w])
			total += attention[w]
		}
		var dot, square float64
		for w := range row {
			attention[w] /= total
		}
		for w, v := range row {
			dot += attention[w] * v
			for x, g := range between.region(w) {
				square += attention[w] * attention[x] * g
			}
		}
		sum += dot / math.Sqrt(square+1e-16)
	}
	return sum
}
