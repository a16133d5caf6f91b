package nn

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/onnx"
)

// Parameters lists what a network's two encoders are made of, each once, in the order in which the text
// encoder and then the image encoder ask for them.
func Parameters(cfg Config) ([]Param, error) {
	b := onnx.NewBuilder()
	list := &lister{}
	n, err := New(b, cfg, list)
	if err != nil {
		return nil, err
	}
	n.Text(n.EncodeText(TextInputs(b, cfg, "", "B")))
	n.Image(n.EncodeImage(ImageInputs(b, cfg, "", "B")))
	return list.params, n.Err()
}

// A lister makes parameters inputs of a graph that nobody runs, and remembers them.
type lister struct{ params []Param }

func (l *lister) Param(b *onnx.Builder, p Param) (*onnx.Value, error) {
	l.params = append(l.params, p)
	shape := make(onnx.Shape, len(p.Shape))
	for i, d := range p.Shape {
		shape[i] = onnx.D(d)
	}
	return b.Input(p.Name, onnx.Float, shape), nil
}

// Len is the number of the parameter's values.
func (p Param) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
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
