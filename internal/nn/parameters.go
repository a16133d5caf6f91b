package nn

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/onnx"
)

// A Param describes one parameter of a network.
type Param struct {
	Name  string
	Shape []int
	Init  Init
	Kind  Kind
}

// A Kind says what part of a network a parameter belongs to, as far as training treats them differently.
type Kind int

const (
	Head     Kind = iota // the matching head's and the losses'
	Backbone             // the encoder's, and of the layers before alignment: what freeze-teran freezes
	Gates                // learned weights of words, which weight decay would pull towards the wrong value
	Fixed                // taken from the data once, never learned
)

// Decays reports whether weight decay applies: to matrices, not to biases, normalisations, scales and gates.
func (p Param) Decays() bool { return len(p.Shape) > 1 && p.Kind != Gates }

// An Init says how a parameter starts when nothing is loaded into it.
type Init struct {
	Random Distribution
	Value  float32 // of every element, without a distribution
}

// A Distribution is that of a parameter's first values.
type Distribution int

// Constant, BERT's normal distribution of deviation 0.02, and the uniform one of Glorot and Bengio
// (AISTATS 2010) that PyTorch's Transformer uses for its matrices.
const (
	Constant Distribution = iota
	Normal
	Glorot
)

// The usual starts.
var (
	InitZero   = Init{}
	InitOne    = Init{Value: 1}
	InitNormal = Init{Random: Normal}
	InitGlorot = Init{Random: Glorot}
)

// Parameters lists what a network's two encoders are made of, each once, in the order in which the text
// encoder and then the image encoder ask for them.
func Parameters(cfg Config) ([]Param, error) {
	b := onnx.NewBuilder()
	list := &Inputs{}
	n, err := New(b, cfg, list)
	if err != nil {
		return nil, err
	}
	n.Text(n.EncodeText(TextInputs(b, cfg, "", "B")))
	n.Image(n.EncodeImage(ImageInputs(b, cfg, "", "B")))
	return list.Params, n.Err()
}

// Inputs makes parameters inputs of the graph, and lists them in the order in which they were asked for.
type Inputs struct {
	Params []Param
	Values []*onnx.Value
}

// Param implements [Params].
func (l *Inputs) Param(b *onnx.Builder, p Param) (*onnx.Value, error) {
	shape := make(onnx.Shape, len(p.Shape))
	for i, d := range p.Shape {
		shape[i] = onnx.D(d)
	}
	v := b.Input(p.Name, onnx.Float, shape)
	l.Params, l.Values = append(l.Params, p), append(l.Values, v)
	return v, nil
}

// Len is the number of the parameter's values.
func (p Param) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Dims is the parameter's shape as a tensor has it.
func (p Param) Dims() []int64 {
	dims := make([]int64, len(p.Shape))
	for i, d := range p.Shape {
		dims[i] = int64(d)
	}
	return dims
}

// Start makes the parameter's first values. They depend on the seed and the name alone, so that they are
// the same whatever else a network has.
func (p Param) Start(seed uint64) []float32 {
	data := make([]float32, p.Len())
	h := fnv.New64a()
	h.Write([]byte(p.Name))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	switch p.Init.Random {
	case Normal:
		for i := range data {
			data[i] = float32(rng.NormFloat64() * 0.02)
		}
	case Glorot:
		limit := math.Sqrt(6 / float64(p.Shape[0]+len(data)/p.Shape[0]))
		for i := range data {
			data[i] = float32((2*rng.Float64() - 1) * limit)
		}
	default:
		for i := range data {
			data[i] = p.Init.Value
		}
	}
	return data
}
