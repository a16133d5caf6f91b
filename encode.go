package aladin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// textBatch is how many texts run at once. They are sorted by length, so little of a batch is padding.
const textBatch = 32

// Encode encodes one input. Texts that were encoded lately are remembered.
func (m *Model) Encode(ctx context.Context, in Input) (*Encoding, error) {
	if in.kind == textInput {
		if enc := m.cache.lookup(in.text); enc != nil {
			if err := m.enter(); err != nil {
				return nil, err
			}
			m.calls.Done()
			return enc, ctx.Err()
		}
	}
	out, err := m.EncodeBatch(ctx, []Input{in})
	if err != nil {
		return nil, err
	}
	if in.kind == textInput {
		m.cache.add(in.text, out[0])
	}
	return out[0], nil
}

// EncodeBatch encodes many inputs, texts and images mixed as you like, faster than one by one: inputs of
// like length run together, and pictures are decoded while others run.
//
// An input that cannot be encoded leaves nil in its place, and an [InputError] in the error, which joins
// those of all such inputs (errors.As finds the first). After any other error nothing is returned.
func (m *Model) EncodeBatch(ctx context.Context, ins []Input) ([]*Encoding, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.calls.Done()
	b := &batch{m: m, ins: ins, out: make([]*Encoding, len(ins))}
	var texts, sets, pictures []int
	for i := range ins {
		switch ins[i].kind {
		case textInput:
			texts = append(texts, i)
		case regionInput:
			sets = append(sets, i)
		case fileInput, imageInput:
			pictures = append(pictures, i)
		default:
			b.fail(i, errors.New("there is no input"))
		}
	}
	for _, step := range []func() error{
		func() error { return b.texts(ctx, texts) },
		func() error { return b.sets(ctx, sets) },
		func() error { return b.pictures(ctx, pictures) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(b.failed, func(a, c *InputError) int { return a.Index - c.Index })
	errs := make([]error, len(b.failed))
	for i, e := range b.failed {
		errs[i] = e
	}
	return b.out, errors.Join(errs...)
}

// batch is a call of EncodeBatch. Its methods run one after the other.
type batch struct {
	m      *Model
	ins    []Input
	out    []*Encoding
	failed []*InputError
}

func (b *batch) fail(i int, err error) {
	b.failed = append(b.failed, &InputError{Index: i, Input: b.ins[i].name(), Err: err})
}

// texts encodes the inputs with these indices.
func (b *batch) texts(ctx context.Context, at []int) error {
	if len(at) == 0 {
		return nil
	}
	type prepared struct {
		at   int
		text string
		caption
	}
	var all []prepared
	for n, i := range at {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		text, err := checkText(b.ins[i].text)
		if err != nil {
			b.fail(i, err)
			continue
		}
		all = append(all, prepared{i, text, b.m.text.Caption(text)})
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, c prepared) int { return len(a.IDs) - len(c.IDs) })
	session, err := b.m.texts.get()
	if err != nil {
		return err
	}
	for part := range slices.Chunk(all, textBatch) {
		seqs := make([][]int64, len(part))
		for k, p := range part {
			seqs[k] = p.IDs
		}
		c := input.PadCaptions(seqs, int64(b.m.text.Tokenizer.PAD()))
		shape := []int64{int64(c.B), int64(c.T)}
		res, err := b.m.run(ctx, session, map[string]*ort.Tensor{"ids": ort.Int64(shape, c.IDs), "mask": ort.Int64(shape, c.Mask)})
		if err != nil {
			return err
		}
		for k, p := range part {
			enc, err := res.encoding(k, b.m.Fingerprint())
			if err != nil {
				b.fail(p.at, err)
				continue
			}
			enc.Kind, enc.Text = index.Caption, p.text
			words := wordsOf(p.text, p.caption)
			for _, i := range res.keep(k, enc) {
				var w index.Word
				if i < len(words) {
					w = words[i]
				}
				enc.Words = append(enc.Words, w)
			}
			b.out[p.at] = enc
		}
	}
	return nil
}

type caption = input.Caption

// wordsOf is the word that each token of a caption belongs to: its pieces joined, as written.
func wordsOf(text string, c caption) []index.Word {
	out := make([]index.Word, len(c.Pieces))
	for _, w := range tokenizer.Words(text, c.Pieces) {
		for i := w.First; i < w.Last; i++ {
			out[i] = index.Word{Text: w.Text, Start: w.Start, End: w.End}
		}
	}
	return out
}

// results are an encoder's outputs for a batch.
type results struct {
	matching, tokens, weights []float32
	rows, dim                 int
}

// run runs an encoder and checks that the outputs are what a bundle promises.
func (m *Model) run(ctx context.Context, s *ort.Session, in map[string]*ort.Tensor) (*results, error) {
	out, err := s.Run(ctx, in, "matching", "tokens", "weights")
	if err != nil {
		return nil, err
	}
	r := &results{matching: out["matching"].Float32(), tokens: out["tokens"].Float32(), weights: out["weights"].Float32(), dim: m.Dim()}
	shape := out["tokens"].Shape()
	if len(shape) != 3 || shape[2] != int64(r.dim) || int64(len(r.matching)) != shape[0]*shape[2] || int64(len(r.weights)) != shape[0]*shape[1] || int64(len(r.tokens)) != shape[0]*shape[1]*shape[2] {
		return nil, fmt.Errorf("%w: %s: its encoder gives tokens %v and %d matching values, want %d a vector", ErrCorrupt, m.bundle.Dir(), shape, len(r.matching), r.dim)
	}
	r.rows = int(shape[1])
	return r, nil
}

// encoding starts the encoding of item k of the batch.
func (r *results) encoding(k int, model string) (*Encoding, error) {
	enc := &Encoding{Model: model, Matching: slices.Clone(r.matching[k*r.dim : (k+1)*r.dim])}
	for _, v := range enc.Matching {
		if v-v != 0 {
			return nil, errors.New("the model gives no finite vector for it")
		}
	}
	return enc, nil
}

// keep copies the tokens of item k that take part in alignment, and returns their places.
func (r *results) keep(k int, enc *Encoding) []int {
	var places []int
	for i, w := range r.weights[k*r.rows : (k+1)*r.rows] {
		if w > 0 {
			places = append(places, i)
		}
	}
	enc.Weights = make([]float32, len(places))
	enc.Tokens = make([]float32, 0, len(places)*r.dim)
	for j, i := range places {
		enc.Weights[j] = r.weights[k*r.rows+i]
		enc.Tokens = append(enc.Tokens, r.tokens[(k*r.rows+i)*r.dim:(k*r.rows+i+1)*r.dim]...)
	}
	return places
}
