package clip

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// maxSentences bounds the sentences whose vectors are remembered: 64 MB at 512 numbers. Detectors know some
// thousand classes.
const maxSentences = 1 << 15

// A Tower turns texts into vectors.
type Tower struct {
	// Tokenizer cuts texts into the tower's tokens.
	Tokenizer *tokenizer.CLIP
	// Options are those of the session; changing them takes effect when it is next opened.
	Options ort.Options

	start func(*ort.Options) (*ort.Session, error)

	mu        sync.Mutex
	session   *session
	sentences map[string][]float32
}

// New makes a tower of a tokenizer and of what opens its graph.
func New(tok *tokenizer.CLIP, start func(*ort.Options) (*ort.Session, error)) *Tower {
	return &Tower{Tokenizer: tok, start: start, sentences: map[string][]float32{}}
}

// Open makes a tower of two files: its graph, which is read when it is first needed, and the merges of its
// tokenizer.
func Open(graph, merges string) (*Tower, error) {
	tok, err := tokenizer.LoadCLIP(merges)
	if err != nil {
		return nil, err
	}
	return New(tok, func(o *ort.Options) (*ort.Session, error) { return ort.Open(graph, o) }), nil
}

// Close frees the session; a later call opens it again.
func (t *Tower) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == nil {
		return nil
	}
	err := t.session.run.Close()
	t.session = nil
	return err
}

// Dims is how many numbers the vector of a sentence and the state of a token have; 0 where there is none.
func (t *Tower) Dims(ctx context.Context) (sentence, token int, err error) {
	s, err := t.get(ctx)
	if err != nil {
		return 0, 0, err
	}
	return s.dims[0], s.dims[1], nil
}

// Joined tells whether the state of a sentence's end token is the sentence's vector, as in the tower that
// ALADIN-2.0 was trained with. If not, the graph's states are another layer's.
func (t *Tower) Joined(ctx context.Context) (bool, error) {
	s, err := t.get(ctx)
	if err != nil {
		return false, err
	}
	return s.joined, nil
}

// Sentences are the vectors of sentences; they are shared and must not be changed.
func (t *Tower) Sentences(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	missing := map[string][]float32{}
	t.mu.Lock()
	for i, text := range texts {
		if out[i] = t.sentences[text]; out[i] == nil {
			missing[text] = nil
		}
	}
	t.mu.Unlock()
	if len(missing) == 0 {
		return out, nil
	}
	s, err := t.get(ctx)
	if err != nil {
		return nil, err
	}
	list := slices.Sorted(maps.Keys(missing)) // the same batches every time
	seqs := make([][]int64, len(list))
	for i, text := range list {
		seqs[i] = tokenizer.IDs(t.Tokenizer.Encode(text, 0))
	}
	if err := s.each(ctx, seqs, func(i int, sentence, _ []float32) { missing[list[i]] = sentence }); err != nil {
		return nil, err
	}
	for i, text := range texts {
		if out[i] == nil {
			out[i] = missing[text]
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.sentences)+len(missing) > maxSentences {
		clear(t.sentences)
	}
	maps.Copy(t.sentences, missing)
	return out, nil
}

// States are the states of the tokens of each sequence, as Tokenizer.Encode made them: C numbers a token.
func (t *Tower) States(ctx context.Context, seqs [][]int64) ([][]float32, error) {
	s, err := t.get(ctx)
	if err != nil {
		return nil, err
	}
	if s.tokens == "" {
		return nil, fmt.Errorf("%w: it has no states of tokens (float32 [batch, tokens, C]), which this model reads for captions", ErrTower)
	}
	out := make([][]float32, len(seqs))
	return out, s.each(ctx, seqs, func(i int, _, states []float32) { out[i] = states })
}

func (t *Tower) get(ctx context.Context) (*session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != nil {
		return t.session, nil
	}
	run, err := t.start(&t.Options)
	if err != nil {
		return nil, err
	}
	s := &session{run: run}
	if err = s.describe(); err == nil {
		err = s.probe(ctx, t.Tokenizer)
	}
	if err != nil {
		return nil, errors.Join(err, run.Close())
	}
	t.session = s
	return s, nil
}
