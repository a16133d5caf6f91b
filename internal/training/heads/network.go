package heads

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/training/grad"
	"github.com/aladin-go/aladin/internal/training/param"
)

// Names of the parameters; those of residual networks have .down and .up behind.
const (
	imageAdapter = "adapter.image"
	textAdapter  = "adapter.text"
	cellHead     = "alignment.image"
	wordHead     = "alignment.text"
	wordGate     = "alignment.gate"
	globalShare  = "alignment.global" // logarithm of what the text as a whole weighs beside all words
	alignScale   = "alignment.scale"  // logarithm of the scale of alignment's logits
)

// rank bounds the width of residual networks.
const rank = 64

// parameters lists what is learned, for vectors of dim numbers.
func parameters(dim int) []nn.Param {
	r := min(rank, dim)
	var out []nn.Param
	for _, name := range []string{imageAdapter, textAdapter, cellHead, wordHead} {
		out = append(out,
			nn.Param{Name: name + ".down", Shape: []int{dim, r}, Init: nn.Init{Random: nn.Glorot}},
			nn.Param{Name: name + ".up", Shape: []int{r, dim}})
	}
	return append(out,
		nn.Param{Name: wordGate, Shape: []int{dim, 1}},
		nn.Param{Name: globalShare, Shape: []int{1}},
		nn.Param{Name: alignScale, Shape: []int{1}, Init: nn.Init{Value: float32(math.Log(20))}})
}

// A shape is the sizes of a training step.
type shape struct{ batch, words, cells, dim int }

// Weights of the losses beside that of matching.
const (
	alignmentWeight    = 1
	distillationWeight = 0.5
)

// lossNames are the step's losses in the order of its output.
var lossNames = []string{"total", "matching", "alignment", "distillation"}

// stepGraph makes a training step: from a batch and the parameters to the losses and the gradients, "grad/" and the
// parameter's name. scale is that of the towers' logits.
func stepGraph(s shape, params []nn.Param, scale float32) (*onnx.Model, error) {
	b := onnx.NewBuilder()
	p := map[string]*onnx.Value{}
	var wrt []*onnx.Value
	for _, q := range params {
		v := b.Input(q.Name, onnx.Float, shapeOf(q.Shape))
		p[q.Name] = v
		wrt = append(wrt, v)
	}
	images := b.Input("images", onnx.Float, onnx.Of(s.batch, s.dim))
	cells := b.Input("cells", onnx.Float, onnx.Of(s.batch*s.cells, s.dim))
	texts := b.Input("texts", onnx.Float, onnx.Of(s.batch, s.dim))
	words := b.Input("words", onnx.Float, onnx.Of(s.batch*s.words, s.dim))
	mask := b.Input("mask", onnx.Float, onnx.Of(s.batch, s.words))
	n, dim := onnx.D(s.batch), onnx.D(s.dim)

	residual := func(x *onnx.Value, name string) *onnx.Value {
		hidden := b.Tanh(b.Gemm(x, p[name+".down"], nil, false, false))
		return b.L2Normalize(b.Add(x, b.Gemm(hidden, p[name+".up"], nil, false, false)), 1e-6)
	}
	text, image := residual(texts, textAdapter), residual(images, imageAdapter)
	match := b.Gemm(text, image, nil, false, true) // [texts, images]

	// Words and cells, with the whole of the text and of the picture as one more of each.
	with := func(tokens, whole *onnx.Value, count int) *onnx.Value {
		all := b.Concat(1, b.Reshape(tokens, n, onnx.D(count), dim), b.Reshape(whole, n, onnx.D(1), dim))
		return b.Reshape(all, onnx.D(s.batch*(count+1)), dim)
	}
	similar := b.Gemm(with(residual(words, wordHead), text, s.words), with(residual(cells, cellHead), image, s.cells), nil, false, true)
	best := b.ReduceMax(b.Reshape(similar, n, onnx.D(s.words+1), n, onnx.D(s.cells+1)), false, 3) // [texts, words, images]
	gate := b.Mul(b.Exp(b.Reshape(b.Gemm(words, p[wordGate], nil, false, false), n, onnx.D(s.words))), mask)
	gate = b.Div(gate, b.MaxS(b.ReduceSum(gate, true, 1), 1e-6))
	global := b.Expand(b.Reshape(b.Exp(p[globalShare]), onnx.D(1), onnx.D(1)), n, onnx.D(1))
	weights := b.Concat(1, gate, global)
	align := b.ReduceSum(b.Mul(best, b.Unsqueeze(weights, 2)), false, 1)

	eye := make([]float32, s.batch*s.batch)
	for i := range s.batch {
		eye[i*s.batch+i] = 1
	}
	identity := b.Weights("identity", eye, s.batch, s.batch)
	mean := func(x *onnx.Value) *onnx.Value { return b.MulS(b.ReduceSum(x, false, 0, 1), 1/float32(s.batch)) }
	contrast := func(logits *onnx.Value) *onnx.Value {
		both := b.Add(b.LogSoftmax(logits, 1), b.LogSoftmax(logits, 0))
		return b.MulS(mean(b.Mul(both, identity)), -0.5)
	}
	logits := b.Mul(align, b.Exp(b.Min(p[alignScale], b.Scalar(float32(math.Log(100))))))
	teacher := b.StopGradient(b.MulS(b.Gemm(texts, images, nil, false, true), scale))
	imitate := b.Add(b.Mul(b.Softmax(teacher, 1), b.LogSoftmax(logits, 1)), b.Mul(b.Softmax(teacher, 0), b.LogSoftmax(logits, 0)))
	losses := []*onnx.Value{contrast(b.MulS(match, scale)), contrast(logits), b.MulS(mean(imitate), -0.5)}
	total := b.Add(losses[0], b.Add(b.MulS(losses[1], alignmentWeight), b.MulS(losses[2], distillationWeight)))

	grads, err := grad.Gradients(b, total, wrt)
	if err != nil {
		return nil, err
	}
	all := []*onnx.Value{b.Reshape(total, onnx.D(1))}
	for _, l := range losses {
		all = append(all, b.Reshape(l, onnx.D(1)))
	}
	b.Output("losses", b.Concat(0, all...))
	for i, q := range params {
		if grads[i].Dense == nil {
			return nil, fmt.Errorf("heads: no loss reaches %s", q.Name)
		}
		b.Output("grad/"+q.Name, grads[i].Dense)
	}
	return b.Model("heads")
}

func shapeOf(dims []int) onnx.Shape {
	out := make(onnx.Shape, len(dims))
	for i, d := range dims {
		out[i] = onnx.D(d)
	}
	return out
}

// residual is what a residual network makes of rows of vectors.
func residual(p *param.Set, name string, rows []float32, dim int) []float32 {
	down, up := p.Lookup(name+".down"), p.Lookup(name+".up")
	n, r := len(rows)/dim, down.Shape[1]
	out := append([]float32(nil), rows...)
	if n == 0 {
		return out
	}
	hidden := make([]float32, n*r)
	general := func(rows, cols int, data []float32) blas32.General {
		return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
	}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, general(n, dim, rows), general(dim, r, down.Data), 0, general(n, r, hidden))
	for i, x := range hidden {
		hidden[i] = float32(math.Tanh(float64(x)))
	}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, general(n, r, hidden), general(r, dim, up.Data), 1, general(n, dim, out))
	for i := range n {
		row := out[i*dim : (i+1)*dim]
		var sum float64
		for _, x := range row {
			sum += float64(x) * float64(x)
		}
		if sum > 0 {
			scale := float32(1 / math.Sqrt(sum))
			for k := range row {
				row[k] *= scale
			}
		}
	}
	return out
}

// gates are what words weigh: of each text the gates of its words, which sum to 1, then that of the whole.
func gates(p *param.Set, words []float32, dim int) []float32 {
	n := len(words) / dim
	out := make([]float32, n+1)
	gate := p.Lookup(wordGate).Data
	var sum float64
	for i := range n {
		var dot float64
		for k, x := range words[i*dim : (i+1)*dim] {
			dot += float64(x) * float64(gate[k])
		}
		out[i] = float32(math.Exp(dot))
		sum += float64(out[i])
	}
	for i := range n {
		out[i] = float32(float64(out[i]) / sum)
	}
	out[n] = float32(math.Exp(float64(p.Lookup(globalShare).Data[0])))
	return out
}
