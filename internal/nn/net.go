package nn

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/onnx"
)

// Prefixes of the published state dict.
const (
	encPrefix  = "img_txt_enc."
	bertPrefix = encPrefix + "oscar_model.bert."
)

// Names of the fixed parameters of Config.Standardise, [F] each: mean and one over the deviation.
const (
	RegionMean  = encPrefix + "region_mean"
	RegionScale = encPrefix + "region_scale"
)

// KeptWords is the fixed table of Config.StopWords [V, 1]: 0 for stop words, 1 for the others.
const KeptWords = encPrefix + "kept_words"

// GlobalShare is the logarithm of what training makes of Config.GlobalPair's weight [1].
const GlobalShare = encPrefix + "global_share"

// Names of the embeddings that a trainer may start from its data: words [V, H], and regions [H, F].
const (
	WordEmbeddings   = bertPrefix + "embeddings.word_embeddings.weight"
	RegionEmbeddings = bertPrefix + "img_embedding.weight"
	WordGateTable    = encPrefix + "word_gates.weight"
)

// Params gives a network its parameters: a trainer makes them inputs of its graph, an exporter
// constants.
type Params interface {
	Param(b *onnx.Builder, p Param) (*onnx.Value, error)
}

// A Net builds the parts of one network in one graph. Its methods may be called once per pass; the
// parameters that passes share are made once. The first mistake is kept: see Err.
type Net struct {
	Config
	B *onnx.Builder
	// Dropout, when set, is applied to hidden states and attention weights where BERT does; place is
	// "hidden", "attention", "head" or "feature" (of the regions).
	Dropout func(x *onnx.Value, place string) *onnx.Value
	// Softness, when set, is a temperature τ > 0 (one element): the alignment head's maxima become τ·log Σ exp(x/τ), whose
	// gradient reaches all arguments and not only the largest. For training.
	Softness *onnx.Value
	// LeastSoftness is a lower bound of Softness; 0 if unknown.
	LeastSoftness float32
	// Training builds the graph for differentiation: it computes the same functions with fewer passes over activations
	// and a few more over weights. An exported graph would repeat the latter in every run for no gain.
	Training bool
	// Pack removes padding from everything except attention, in training. [Net.EncodeText] and [Net.EncodeImage] then
	// return states [N, H].
	Pack bool
	// Loose, when set, allows training batches to be padded beyond their longest sequence and beyond the minimum lengths
	// that it gives. Results that depend on padding (ReleasedAlignment's scores, norms of hidden states) then ignore the excess.
	Loose *Least
	// Recompute trades time for memory: the backward pass keeps only each layer's input and recomputes the rest.
	Recompute bool

	params Params
	kind   Kind // of the parameters that are being made
	made   map[string]*onnx.Value
	layers map[layerNames]*layerWeights
	err    error
}

// New starts a network in a graph.
func New(b *onnx.Builder, cfg Config, params Params) (*Net, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Net{Config: cfg, B: b, params: params, made: map[string]*onnx.Value{}, layers: map[layerNames]*layerWeights{}}, nil
}

// Err is the first mistake, of the network or of the graph.
func (n *Net) Err() error {
	if n.err != nil {
		return n.err
	}
	return n.B.Err()
}

// Param makes a parameter or returns the one that is there.
func (n *Net) Param(name string, init Init, shape ...int) *onnx.Value {
	return n.param(n.kind, name, init, shape...)
}

func (n *Net) param(kind Kind, name string, init Init, shape ...int) *onnx.Value {
	if v, ok := n.made[name]; ok {
		return v
	}
	p := Param{Name: name, Shape: shape, Init: init, Kind: kind}
	v, err := n.params.Param(n.B, p)
	if err != nil {
		if n.err == nil {
			n.err = err
		}
		v = n.B.Weights(fmt.Sprintf("missing/%s", name), make([]float32, p.Len()), shape...)
	}
	n.made[name] = v
	return v
}

// making says what the parameters made from here on are; what it returns ends that.
func (n *Net) making(kind Kind) (end func()) {
	before := n.kind
	n.kind = kind
	return func() { n.kind = before }
}

// linear is x·Wᵀ + b on a matrix x [N, in].
func (n *Net) linear(x *onnx.Value, name string, init Init, in, out int) *onnx.Value {
	return n.affine(x, n.weights(name, init, in, out))
}

// weights are a linear layer's matrix [out, in], as PyTorch keeps it, and bias [out].
type weights struct{ w, b *onnx.Value }

func (n *Net) weights(name string, init Init, in, out int) weights {
	return weights{n.Param(name+".weight", init, out, in), n.Param(name+".bias", InitZero, out)}
}

func (n *Net) affine(x *onnx.Value, l weights) *onnx.Value { return n.B.Gemm(x, l.w, l.b, false, true) }

func (n *Net) layerNorm(x *onnx.Value, name string, eps float32) *onnx.Value {
	gamma, beta := n.Param(name+".weight", InitOne, n.Hidden), n.Param(name+".bias", InitZero, n.Hidden)
	if n.Training {
		return n.B.LayerNormParts(x, gamma, beta, eps)
	}
	return n.B.LayerNorm(x, gamma, beta, eps)
}

func (n *Net) drop(x *onnx.Value, place string) *onnx.Value {
	if n.Dropout == nil {
		return x
	}
	return n.Dropout(x, place)
}

// residual is how a sublayer's start depends on the place of the normalisation.
func (n *Net) residual(otherwise Init) Init {
	if n.PreNorm {
		return InitZero
	}
	return otherwise
}

// rows flattens [B, S, H] to [B·S, H].
func (n *Net) rows(x *onnx.Value) *onnx.Value {
	return n.B.Reshape(x, x.Shape[:len(x.Shape)-1].Elements(), x.Shape[len(x.Shape)-1])
}

// A mask carries the padding of a batch of sequences.
type mask struct {
	shape    onnx.Shape  // [B, S]
	kept     *onnx.Value // int64 [N]: the positions, of B·S, that packed states are of; else nil
	tokens   *onnx.Value // float [B, S], 1 on tokens
	additive *onnx.Value // float [B, 1, 1, S], 0 on tokens and −10000 on padding, added to attention scores
}

// mask prepares an int64 mask [B, S] and the list of kept positions.
func (n *Net) mask(m, kept *onnx.Value) mask {
	b := n.B
	f := b.Cast(m, onnx.Float)
	add := b.MulS(b.AddS(f, -1), 10000)
	return mask{shape: m.Shape, kept: kept, tokens: f, additive: b.Unsqueeze(add, 1, 2)}
}
