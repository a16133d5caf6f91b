package clip

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// batch is how many sequences run at once.
const batch = 64

// A session is a tower's graph, loaded, and what is known of it.
type session struct {
	run      *ort.Session
	ids      ort.Info
	mask     *ort.Info // nil: none is wanted
	sentence string    // output [B, C], "" if there is none
	tokens   string    // output [B, S, C], "" if there is none
	dims     [2]int    // C of a sentence and of a token
	short    bool      // sequences may be shorter than CLIP's 77
	joined   bool
}

// describe finds the inputs and outputs.
func (s *session) describe() error {
	for _, in := range s.run.Inputs() {
		switch {
		case in.Type != ort.TypeInt64 && in.Type != ort.TypeInt32 || in.Shape != nil && len(in.Shape) != 2:
			return fmt.Errorf("%w: input %v, want token ids, int64 or int32 [batch, tokens]", ErrTower, in)
		case in.Name == "attention_mask":
			s.mask = &in
		case s.ids.Name != "":
			return fmt.Errorf("%w: it has the inputs %s and %s, want token ids, and attention_mask at most", ErrTower, s.ids.Name, in.Name)
		default:
			s.ids = in
		}
	}
	if s.ids.Name == "" {
		return fmt.Errorf("%w: it has no input of token ids", ErrTower)
	}
	if d := s.ids.Shape; d != nil && (d[0] >= 0 || d[1] >= 0 && d[1] != tokenizer.CLIPLength) {
		return fmt.Errorf("%w: input %v: export it with a free batch size, and %d tokens or any number", ErrTower, s.ids, tokenizer.CLIPLength)
	}
	var err error
	if s.sentence, err = choose(s.run.Outputs(), 2, "text_embeds"); err != nil {
		return err
	}
	if s.tokens, err = choose(s.run.Outputs(), 3, "token_embeds", "last_hidden_state"); err != nil {
		return err
	}
	if s.sentence == "" && s.tokens == "" {
		return fmt.Errorf("%w: it has no float32 output [batch, C] or [batch, tokens, C]", ErrTower)
	}
	return nil
}

// choose is the output of a rank: the only one, or that with one of the names.
func choose(outputs []ort.Info, rank int, names ...string) (string, error) {
	var of []string
	for _, o := range outputs {
		if o.Type == ort.TypeFloat32 && len(o.Shape) == rank {
			of = append(of, o.Name)
		}
	}
	for _, name := range names {
		if slices.Contains(of, name) {
			return name, nil
		}
	}
	switch len(of) {
	case 0:
		return "", nil
	case 1:
		return of[0], nil
	}
	return "", fmt.Errorf("%w: which of its outputs %q to take cannot be told; name the right one %s", ErrTower, of, names[0])
}

// probe measures what the graph does not say: C, and whether it takes sequences shorter than 77 and gives
// the same for them.
func (s *session) probe(ctx context.Context, tok *tokenizer.CLIP) error {
	if n := tok.Size(); n < 1 {
		return fmt.Errorf("%w: an empty vocabulary", ErrTower)
	}
	seqs := [][]int64{tokenizer.IDs(tok.Encode("a photo of a dog", 0)), tokenizer.IDs(tok.Encode("start of the sequence", 0))}
	sentences, states, err := s.some(ctx, seqs)
	if err != nil {
		return fmt.Errorf("%w: %w (is it of the same model as the merges, which make ids up to %d?)", ErrTower, err, tok.Size()-1)
	}
	s.dims[0] = len(sentences[0])
	if s.tokens != "" {
		s.dims[1] = len(states[0]) / len(seqs[0])
		s.joined = near(sentences[0], states[0][len(states[0])-s.dims[1]:])
	}
	if s.ids.Shape != nil && s.ids.Shape[1] >= 0 {
		return nil
	}
	s.short = true
	again, shorter, err := s.some(ctx, seqs)
	if s.short = err == nil; s.short {
		for i := range seqs {
			s.short = s.short && near(sentences[i], again[i]) && (s.tokens == "" || near(states[i], shorter[i]))
		}
	}
	return ctx.Err()
}

// near compares vectors.
func near(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	var diff, size float64
	for i, x := range a {
		diff += math.Pow(float64(x-b[i]), 2)
		size += math.Pow(float64(x), 2)
	}
	return diff <= 1e-6*size
}

// each runs sequences and gives every one its vector and its tokens' states (nil if the tower has none).
func (s *session) each(ctx context.Context, seqs [][]int64, to func(i int, sentence, states []float32)) error {
	for from := 0; from < len(seqs); from += batch {
		part := seqs[from:min(from+batch, len(seqs))]
		sentences, states, err := s.some(ctx, part)
		if err != nil {
			return err
		}
		for i := range part {
			to(from+i, sentences[i], states[i])
		}
	}
	return nil
}

// some runs one batch.
func (s *session) some(ctx context.Context, seqs [][]int64) (sentences, states [][]float32, err error) {
	b, width := len(seqs), tokenizer.CLIPLength
	if s.short {
		width = 0
		for _, q := range seqs {
			width = max(width, len(q))
		}
	}
	ids, mask := make([]int64, b*width), make([]int64, b*width)
	for i, q := range seqs {
		for k, id := range q[:min(len(q), width)] {
			ids[i*width+k], mask[i*width+k] = id, 1
		}
	}
	in := map[string]*ort.Tensor{s.ids.Name: integers(s.ids, b, ids)}
	if s.mask != nil {
		in[s.mask.Name] = integers(*s.mask, b, mask)
	}
	var wanted []string
	for _, name := range []string{s.sentence, s.tokens} {
		if name != "" {
			wanted = append(wanted, name)
		}
	}
	out, err := s.run.Run(ctx, in, wanted...)
	if err != nil {
		return nil, nil, err
	}
	sentences, states = make([][]float32, b), make([][]float32, b)
	if s.tokens != "" {
		all, err := output(out[s.tokens], []int64{int64(b), int64(width)})
		if err != nil {
			return nil, nil, err
		}
		dim := len(all) / (b * width)
		for i, q := range seqs {
			n := min(len(q), width)
			states[i] = slices.Clone(all[i*width*dim : (i*width+n)*dim])
			sentences[i] = states[i][(n-1)*dim:] // the end token's
		}
	}
	if s.sentence == "" {
		return sentences, states, nil
	}
	all, err := output(out[s.sentence], []int64{int64(b)})
	if err != nil {
		return nil, nil, err
	}
	for i := range sentences {
		sentences[i] = slices.Clone(all[i*len(all)/b : (i+1)*len(all)/b])
	}
	return sentences, states, nil
}

// integers is token ids or their mask in the input's type.
func integers(of ort.Info, b int, v []int64) *ort.Tensor {
	shape := []int64{int64(b), int64(len(v) / b)}
	if of.Type == ort.TypeInt64 {
		return ort.Int64(shape, v)
	}
	narrow := make([]int32, len(v))
	for i, x := range v {
		narrow[i] = int32(x)
	}
	return ort.Int32(shape, narrow)
}

// output checks that an output has the leading dimensions that it should, and finite values.
func output(t *ort.Tensor, lead []int64) ([]float32, error) {
	shape := t.Shape()
	if len(shape) != len(lead)+1 || !slices.Equal(shape[:len(lead)], lead) || shape[len(lead)] < 1 {
		return nil, fmt.Errorf("%w: an output has the shape %v, want %v and C", ErrTower, shape, lead)
	}
	all := t.Float32()
	for _, x := range all {
		if x-x != 0 {
			return nil, fmt.Errorf("%w: its vectors are not finite", ErrTower)
		}
	}
	return all, nil
}
