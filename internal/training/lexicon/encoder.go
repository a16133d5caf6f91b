package lexicon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/published"
)

// maxTokens is the longest text that is read.
const maxTokens = 64

// encodeBatch is how many texts one run encodes.
const encodeBatch = 64

// An Encoder gives texts vectors.
type Encoder struct {
	Name string
	text input.Text
	dim  int
	s    *ort.Session
}

// Open opens a folder with config.json, vocab.txt and model.safetensors or pytorch_model.bin of a BERT.
func Open(dir string, opts *ort.Options) (_ *Encoder, err error) {
	p, err := published.Read(published.Options{Backbone: dir})
	if err != nil {
		return nil, fmt.Errorf("--words %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for _, f := range p.Fresh {
		if strings.Contains(f.Name, ".encoder.") || strings.HasSuffix(f.Name, "word_embeddings.weight") {
			return nil, fmt.Errorf("--words %s: %w: %s is missing", dir, published.ErrTensors, f.Name)
		}
	}
	m, err := graph(p)
	if err != nil {
		return nil, err
	}
	e := &Encoder{Name: p.Name(), dim: p.Net.Hidden, text: input.Text{Tokenizer: p.Tokenizer, MaxCaption: min(maxTokens, p.Net.MaxPositions)}}
	e.s, err = ort.Load(m.Marshal(), opts)
	return e, err
}

// graph gives a text the mean of all its tokens' states, [CLS] and [SEP] among them, as sentence encoders are trained to.
func graph(p *published.Model) (*onnx.Model, error) {
	b := onnx.NewBuilder()
	n, err := nn.New(b, p.Net, weights{p})
	if err != nil {
		return nil, err
	}
	ids, mask := nn.TextInputs(b, p.Net, "", "B")
	states := n.EncodeText(ids, mask).Last
	sum := b.ReduceSum(b.Mul(states, b.Unsqueeze(b.Cast(mask, onnx.Float), 2)), false, 1)
	b.Output(vectorOutput, b.L2Normalize(sum, 1e-12))
	if err := n.Err(); err != nil {
		return nil, err
	}
	return b.Model("sentence encoder")
}

const vectorOutput = "vector"

// weights are a model's parameters as constants of a graph.
type weights struct{ *published.Model }

// Param implements nn.Params.
func (w weights) Param(b *onnx.Builder, p nn.Param) (*onnx.Value, error) {
	data, err := w.Values(p)
	if err != nil {
		return nil, err
	}
	return b.Weights(p.Name, data, p.Shape...), nil
}

// Close frees the session.
func (e *Encoder) Close() { e.s.Close() }

// Dim is the length of the vectors.
func (e *Encoder) Dim() int { return e.dim }

// Vectors are those of texts, each of length 1.
func (e *Encoder) Vectors(ctx context.Context, texts []string, observe func(done, total int)) ([]float32, error) {
	seqs, order := make([][]int64, len(texts)), make([]int, len(texts))
	for i, t := range texts {
		seqs[i], order[i] = e.text.Caption(t).IDs, i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(seqs[a]), len(seqs[b])) }) // little padding
	out := make([]float32, len(texts)*e.dim)
	done := 0
	for part := range slices.Chunk(order, encodeBatch) {
		batch := make([][]int64, len(part))
		for k, i := range part {
			batch[k] = seqs[i]
		}
		c, err := e.text.PadCaptions(ctx, batch)
		if err != nil {
			return nil, err
		}
		res, err := e.s.Run(ctx, c.Tensors())
		if err != nil {
			return nil, err
		}
		v := res[vectorOutput].Float32()
		for k, i := range part {
			copy(out[i*e.dim:(i+1)*e.dim], v[k*e.dim:])
		}
		done += len(part)
		progress.Tell(observe, done, len(texts))
	}
	return out, nil
}

// Words are the words of the encoder's vocabulary.
func (e *Encoder) Words() []string {
	var words []string
	for _, p := range e.text.Tokenizer.Vocab() {
		if utf8.RuneCountInString(p) > 2 && strings.IndexFunc(p, func(r rune) bool { return !unicode.IsLower(r) }) < 0 {
			words = append(words, p)
		}
	}
	return words
}
