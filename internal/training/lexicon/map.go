package lexicon

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/parallel"
	"github.com/aladin-go/aladin/internal/training/param"
)

// A Map knows of a model's word pieces, as far as they are whole words, the vector that an encoder of texts gives them, and in
// how many captions they were. It is a ridge regression in the space of the kernel exp(γ·(cosine − 1)), from the vectors to what
// a model learned of the words of several captions. It is not safe for concurrent use.
type Map struct {
	IDs     []int     // of the pieces
	Vectors []float32 // len(IDs) × Dim, of length 1
	Dim     int
	Counts  []int // of captions with the piece

	fit  []int        // places of the words to learn from
	chol mat.Cholesky // of their kernel
}

// The numbers were chosen by how well photos and captions of Flickr8k's development set find each other where embeddings come
// from correlations alone, without training (docs/training.md).
const (
	sharpness = 2 // γ
	ridge     = 0.3
	// fitCount is in how many captions a word must have been to be learned from, and mostFit how many words are, the most
	// frequent: the cost grows with the cube.
	fitCount, mostFit = 5, 3000
	// fullCount is the count from which a word is trusted no more than others.
	fullCount = 50
	// learnedTrust is the number of captions from which what was learned of a word counts as much as what its vector says, and
	// startTrust that from which what correlations say of it does, before anything is learned.
	learnedTrust, startTrust = 8, 100
)

// leastFit is how many words it takes to learn anything.
const leastFit = 10

var errKernel = errors.New("the vectors of words say nothing")

// Fill is the parameters with embeddings and weights of words as the map has them: words that no caption had get what their
// vector says, words of a few captions something between that and what they learned.
func (m *Map) Fill(params *param.Set) (*param.Set, error) { return m.fill(params, learnedTrust) }

// Start does the like to first values that were taken from the data, in place.
func (m *Map) Start(params *param.Set) error {
	filled, err := m.fill(params, startTrust)
	if err != nil {
		return err
	}
	for _, name := range []string{nn.WordEmbeddings, nn.WordGateTable} {
		if t := params.Lookup(name); t != nil {
			copy(t.Data, filled.Lookup(name).Data)
		}
	}
	return nil
}

func (m *Map) fill(params *param.Set, trust float64) (*param.Set, error) {
	if err := m.prepare(); err != nil {
		return nil, err
	}
	if len(m.fit) < leastFit {
		return params, nil
	}
	t := tables{params.Lookup(nn.WordEmbeddings), params.Lookup(nn.WordGateTable)}
	cols := t.cols()
	y, mean, total := mat.NewDense(len(m.fit), cols, nil), make([]float64, cols), 0.0
	for i, k := range m.fit {
		w := m.weight(k)
		row := y.RawRowView(i)
		t.read(row, m.IDs[k])
		for j, v := range row {
			mean[j] += w * v
		}
		total += w
	}
	for j := range mean {
		mean[j] /= total
	}
	for i := range m.fit {
		for j := range mean {
			y.Set(i, j, y.At(i, j)-mean[j])
		}
	}
	var way, says mat.Dense
	if err := m.chol.SolveTo(&way, y); err != nil {
		return nil, errors.Join(errKernel, err)
	}
	says.Mul(m.kernel(len(m.IDs), func(k int) int { return k }), &way)
	for k := range m.IDs {
		for j, v := range mean {
			says.Set(k, j, says.At(k, j)+v)
		}
	}
	return t.blend(m, &says, trust, params), nil
}

// prepare chooses the words to learn from and decomposes their kernel, once.
func (m *Map) prepare() error {
	if m.fit != nil {
		return nil
	}
	m.fit = []int{}
	for k, n := range m.Counts {
		if n >= fitCount {
			m.fit = append(m.fit, k)
		}
	}
	slices.SortStableFunc(m.fit, func(a, b int) int { return cmp.Compare(m.Counts[b], m.Counts[a]) })
	m.fit = m.fit[:min(len(m.fit), mostFit)]
	if len(m.fit) < leastFit {
		return nil
	}
	full := m.kernel(len(m.fit), func(i int) int { return m.fit[i] })
	a := mat.NewSymDense(len(m.fit), nil)
	for i := range m.fit {
		for j := i; j < len(m.fit); j++ {
			a.SetSym(i, j, full.At(i, j))
		}
		a.SetSym(i, i, a.At(i, i)+ridge*fullCount/m.weight(m.fit[i]))
	}
	if !m.chol.Factorize(a) {
		return errKernel
	}
	return nil
}

// weight is how much a word counts in the regression.
func (m *Map) weight(k int) float64 { return float64(min(m.Counts[k], fullCount)) }

// kernel is that of n words with those that are learned from.
func (m *Map) kernel(n int, word func(int) int) *mat.Dense {
	out := mat.NewDense(n, len(m.fit), nil)
	parallel.For(n, func(i int) {
		row, a := out.RawRowView(i), m.vector(word(i))
		for j, k := range m.fit {
			var dot float32
			for d, v := range m.vector(k) {
				dot += a[d] * v
			}
			row[j] = math.Exp(sharpness * (float64(dot) - 1))
		}
	})
	return out
}

func (m *Map) vector(k int) []float32 { return m.Vectors[k*m.Dim : (k+1)*m.Dim] }

// tables are a model's embeddings of words, and their weights where it has any.
type tables struct{ words, gates *param.Tensor }

func (t tables) cols() int {
	if t.gates != nil {
		return t.words.Shape[1] + 1
	}
	return t.words.Shape[1]
}

func (t tables) read(dst []float64, id int) {
	h := t.words.Shape[1]
	for j, v := range t.words.Data[id*h : (id+1)*h] {
		dst[j] = float64(v)
	}
	if t.gates != nil {
		dst[h] = float64(t.gates.Data[id])
	}
}

// blend gives every word what was learned of it and what the map says, by the number of its captions.
func (t tables) blend(m *Map, says *mat.Dense, trust float64, params *param.Set) *param.Set {
	h := t.words.Shape[1]
	// A regression is shorter than what it learned from; the embeddings get the same length on average.
	var learned, mapped float64
	for _, k := range m.fit {
		for j := range h {
			learned += math.Pow(float64(t.words.Data[m.IDs[k]*h+j]), 2)
			mapped += math.Pow(says.At(k, j), 2)
		}
	}
	stretch := math.Sqrt(learned / math.Max(mapped, 1e-12))
	words := slices.Clone(t.words.Data)
	var gates []float32
	if t.gates != nil {
		gates = slices.Clone(t.gates.Data)
	}
	for k, id := range m.IDs {
		own := float64(m.Counts[k]) / (float64(m.Counts[k]) + trust)
		for j := range h {
			words[id*h+j] = float32(own*float64(words[id*h+j]) + (1-own)*stretch*says.At(k, j))
		}
		if gates != nil {
			gates[id] = float32(own*float64(gates[id]) + (1-own)*says.At(k, h))
		}
	}
	out := params.Shared()
	out.Set(nn.WordEmbeddings, t.words.Shape, words)
	if gates != nil {
		out.Set(nn.WordGateTable, t.gates.Shape, gates)
	}
	return out
}
