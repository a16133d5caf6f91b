package aladin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

const (
	// textBatch and imageBatch are how many inputs run at once. Larger batches gain little on a CPU.
	textBatch, imageBatch = 32, 16
	// A window is what is prepared together: at most so many inputs, and imageBatch images. Its texts are
	// sorted by length before they are cut into batches, so that little of a batch is padding.
	window = 256
)

// Encode encodes one input. Texts that were encoded lately are remembered.
func (m *Model) Encode(ctx context.Context, in Input) (*Encoding, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.calls.Done()
	if in.is() == textInput {
		if enc := m.cache.lookup(in.Text); enc != nil {
			return enc, ctx.Err()
		}
	}
	one := []prepared{{in: in}}
	if err := m.prepare(ctx, one); err != nil {
		return nil, err
	}
	if err := m.encodeWindow(ctx, one); err != nil {
		return nil, err
	}
	enc, err := one[0].result()
	if err == nil && in.is() == textInput {
		m.cache.add(in.Text, enc)
	}
	return enc, err
}

// EncodeBatch encodes many inputs, texts and images mixed as you like, faster than one by one.
//
// An input that cannot be encoded leaves nil in its place, and an [InputError] in the error, which joins
// those of all such inputs (errors.As finds the first). After any other error nothing is returned.
func (m *Model) EncodeBatch(ctx context.Context, ins []Input) ([]*Encoding, error) {
	out := make([]*Encoding, 0, len(ins))
	var failed []error
	for enc, err := range m.EncodeSeq(ctx, slices.Values(ins)) {
		var bad *InputError
		if errors.As(err, &bad) {
			failed = append(failed, bad)
		} else if err != nil {
			return nil, err
		}
		out = append(out, enc)
	}
	return out, errors.Join(failed...)
}

// EncodeSeq encodes a stream of inputs in order, with a bounded number of them in memory: pictures are
// decoded and regions extracted while the encoder works on those before, and texts of like length run
// together. The stream is read from another goroutine.
//
// An input that cannot be encoded gives an [InputError], and the sequence goes on; any other error ends it.
func (m *Model) EncodeSeq(ctx context.Context, ins iter.Seq[Input]) iter.Seq2[*Encoding, error] {
	return func(yield func(*Encoding, error) bool) {
		if err := m.enter(); err != nil {
			yield(nil, err)
			return
		}
		defer m.calls.Done()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		g, ctx := errgroup.WithContext(ctx)
		ready, done := make(chan []prepared), make(chan []prepared)
		g.Go(func() error {
			defer close(ready)
			return m.prepareAll(ctx, ins, ready)
		})
		g.Go(func() error {
			defer close(done)
			for w := range ready {
				if err := m.encodeWindow(ctx, w); err != nil {
					return err
				}
				if err := send(ctx, done, w); err != nil {
					return err
				}
			}
			return nil
		})
		for w := range done {
			for i := range w {
				if !yield(w[i].result()) {
					cancel()
					for range done { // until both stages have ended
					}
					g.Wait() // nobody listens any more
					return
				}
			}
		}
		if err := g.Wait(); err != nil {
			yield(nil, err)
		}
	}
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A prepared input is ready to be encoded, or has failed, or is encoded.
type prepared struct {
	at      int // its place among all inputs
	in      Input
	caption input.Caption // of a text; the text itself, as it is read, is in.Text
	set     *region.Set   // of an image

	sequence tokenizer.Sequence // in place of caption where the model has towers
	sight    *sight             // in place of set

	enc *Encoding
	err error
}

// tokens is how long a text is to the network.
func (p *prepared) tokens() int { return max(len(p.caption.IDs), len(p.sequence.Tokens)) }

func (p *prepared) result() (*Encoding, error) {
	if p.err != nil {
		return nil, &InputError{Index: p.at, Input: p.in.name(), Err: p.err}
	}
	return p.enc, nil
}

// prepareAll cuts the stream into windows.
func (m *Model) prepareAll(ctx context.Context, ins iter.Seq[Input], ready chan<- []prepared) error {
	var w []prepared
	images, at := 0, 0
	flush := func() error {
		if len(w) == 0 {
			return ctx.Err()
		}
		if err := m.prepare(ctx, w); err != nil {
			return err
		}
		err := send(ctx, ready, w)
		w, images = nil, 0
		return err
	}
	for in := range ins {
		if in.is() != textInput {
			images++
		}
		w = append(w, prepared{at: at, in: in})
		at++
		if len(w) == window || images == imageBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// prepare cuts texts into tokens and makes regions of images.
func (m *Model) prepare(ctx context.Context, w []prepared) error {
	var images []*prepared
	for i := range w {
		p := &w[i]
		switch p.in.is() {
		case textInput:
			var text string
			if text, p.err = checkText(p.in.Text); p.err != nil {
				continue
			}
			if p.in.Text = text; m.towers != nil {
				p.sequence = tokenizer.Encode(m.towers.words, text, m.towers.length)
				if p.sequence.Pieces[0] == p.sequence.Pieces[1] {
					p.err = ErrNoWords
				}
			} else {
				p.caption = m.text.Caption(text)
				if len(p.caption.Pieces) <= 2 { // where it begins and ends
					p.err = ErrNoWords
				}
			}
		default:
			images = append(images, p)
		}
	}
	return m.prepareImages(ctx, images)
}

// encodeWindow encodes what is prepared.
func (m *Model) encodeWindow(ctx context.Context, w []prepared) error {
	var texts, images []*prepared
	for i := range w {
		switch p := &w[i]; {
		case p.err != nil:
		case p.in.is() == textInput:
			texts = append(texts, p)
		default:
			images = append(images, p)
		}
	}
	slices.SortStableFunc(texts, func(a, b *prepared) int { return a.tokens() - b.tokens() })
	for part := range slices.Chunk(texts, textBatch) {
		if err := m.encodeTexts(ctx, part); err != nil {
			return err
		}
	}
	if len(images) == 0 {
		return nil
	}
	return m.encodeImages(ctx, images)
}

// rows is how many rows a run over n inputs has: n, or a whole batch where encodings shall be reproducible. ONNX
// Runtime sums the products of a matrix of few rows in an order that depends on how many rows and threads there are.
func (m *Model) rows(n, batch int) int {
	if m.opts.Reproducible {
		return max(n, batch)
	}
	return n
}

// encodeTexts encodes texts of one call, perhaps with those of others.
func (m *Model) encodeTexts(ctx context.Context, part []*prepared) error {
	n, err := m.together(&m.texts, textBatch)
	if err != nil {
		return err
	}
	if n == 1 {
		return m.runTexts(ctx, part)
	}
	return m.textQueue.Do(ctx, n, part)
}

func (m *Model) runTexts(ctx context.Context, part []*prepared) error {
	if m.towers != nil {
		return m.runTowerTexts(ctx, part)
	}
	session, err := m.texts.get()
	if err != nil {
		return err
	}
	seqs := make([][]int64, m.rows(len(part), textBatch))
	for k := range seqs {
		seqs[k] = part[min(k, len(part)-1)].caption.IDs
	}
	c, err := m.text.PadCaptions(ctx, seqs)
	if err != nil {
		return err
	}
	res, err := m.run(ctx, session, c.Tensors())
	if err != nil {
		return err
	}
	for k, p := range part {
		var places []int
		if p.enc, places, p.err = res.encoding(k, m.Fingerprint()); p.err != nil {
			continue
		}
		p.enc.Kind, p.enc.Text, p.enc.Unread = index.Caption, p.in.Text, p.caption.Unread
		words := wordsOf(p.in.Text, p.caption.Pieces)
		for _, i := range places {
			var w index.Word
			if i < len(words) {
				w = words[i]
			}
			p.enc.Words = append(p.enc.Words, w)
		}
		if p.enc.Ranking, p.err = m.rankingOf(p.enc); p.err != nil {
			return p.err
		}
	}
	return nil
}

// wordsOf is the word that each piece of a text belongs to: its pieces joined, as written.
func wordsOf(text string, pieces []tokenizer.Token) []index.Word {
	out := make([]index.Word, len(pieces))
	for _, w := range tokenizer.Words(text, pieces) {
		for i := w.First; i < w.Last; i++ {
			out[i] = index.Word{Text: w.Text, Start: w.Start, End: w.End}
		}
	}
	return out
}

// results are an encoder's outputs for a batch.
type results struct {
	untrained                 bool // tokens are not compared word by word
	ranking                   *index.Ranking
	matching, tokens, weights []float32
	rows, dim                 int
}

// run runs an encoder and checks that the outputs are what a bundle promises.
func (m *Model) run(ctx context.Context, s *ort.Session, in map[string]*ort.Tensor) (*results, error) {
	out, err := s.Run(ctx, in, "matching", "tokens", "weights")
	if err != nil {
		return nil, err
	}
	r := &results{matching: out["matching"].Float32(), tokens: out["tokens"].Float32(), weights: out["weights"].Float32(), dim: m.dim(), untrained: !m.mode.MaxSim(), ranking: m.ranking}
	shape := out["tokens"].Shape()
	if len(shape) != 3 || shape[2] != int64(r.dim) || int64(len(r.matching)) != shape[0]*shape[2] ||
		int64(len(r.weights)) != shape[0]*shape[1] || int64(len(r.tokens)) != shape[0]*shape[1]*shape[2] {
		return nil, fmt.Errorf("%w: %s: its encoder gives tokens %v and %d matching values, want %d a vector",
			ErrCorrupt, m.bundle.Dir(), shape, len(r.matching), r.dim)
	}
	r.rows = int(shape[1])
	return r, nil
}

// row is token i of item k.
func (r *results) row(k, i int) []float32 {
	return r.tokens[(k*r.rows+i)*r.dim : (k*r.rows+i+1)*r.dim]
}

// encoding makes the encoding of item k of the batch, without what is known of its tokens, of which it
// keeps those that take part in alignment: they are at the places returned.
func (r *results) encoding(k int, model string) (*Encoding, []int, error) {
	enc := &Encoding{Model: model, Matching: slices.Clone(r.matching[k*r.dim : (k+1)*r.dim]), Untrained: r.untrained, Ranking: r.ranking}
	for _, v := range enc.Matching {
		if v-v != 0 {
			return nil, nil, errNotFinite
		}
	}
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
		enc.Tokens = append(enc.Tokens, r.row(k, i)...)
	}
	return enc, places, nil
}
