package traincmd

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/training"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/lexicon"
	"github.com/aladin-go/aladin/internal/training/model"
)

const (
	// lentShare is the share of a vocabulary for words that captions hardly have, or not at all.
	lentShare = 0.45
	// inText is what stands before a word whose vector is asked for: a sentence encoder knows words in sentences, and that it is of
	// things to be seen.
	inText = "a photo of a "
	// knownCount is in how many captions a word is that others are compared with.
	knownCount = 20
)

// A lender is what --words names; nil is nothing.
type lender struct {
	*lexicon.Encoder
	vectors map[string][]float32 // of the words that were asked for
}

func (o *runOptions) openWords() (*lender, error) {
	if o.words == "" {
		return nil, nil
	}
	e, err := lexicon.Open(o.words, &ort.Options{Threads: o.threads, Device: o.device})
	if err != nil {
		return nil, err
	}
	return &lender{e, map[string][]float32{}}, nil
}

func (l *lender) close() {
	if l != nil {
		l.Close()
	}
}

// learn makes sure of the vectors of words.
func (l *lender) learn(ctx context.Context, w *watcher, words []string) error {
	var missing, texts []string
	for _, word := range words {
		if l.vectors[word] == nil {
			missing, texts = append(missing, word), append(texts, inText+word)
		}
	}
	all, err := l.Vectors(ctx, texts, w.progress("encoding words with "+l.Name))
	if err != nil {
		return err
	}
	for i, word := range missing {
		l.vectors[word] = all[i*l.Dim() : (i+1)*l.Dim()]
	}
	return nil
}

// isWord says whether a piece of a vocabulary is a whole word.
func isWord(piece string) bool {
	return utf8.RuneCountInString(piece) > 1 && strings.IndexFunc(piece, func(r rune) bool { return !unicode.IsLetter(r) }) < 0
}

// vocabulary is that of captions. With a lexicon, words take the place of most parts of words: those that few captions have, and
// of the lexicon those that are most like frequent ones.
func (l *lender) vocabulary(ctx context.Context, w *watcher, cfg *config.Config, data *dataset.Data, tags []string) ([]string, error) {
	texts := withTags(data.Texts(), tags)
	if l == nil {
		return model.Vocabulary(cfg, texts), nil
	}
	lent := int(lentShare * float64(cfg.Encoder.VocabSize))
	smaller := *cfg
	smaller.Encoder.VocabSize -= lent
	vocab := model.Vocabulary(&smaller, texts)
	counts := map[string]int{}
	for text := range data.Texts() {
		for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
			counts[word]++
		}
	}
	var known []string // to be compared with
	rare := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	for _, word := range rare {
		if counts[word] >= knownCount {
			known = append(known, word)
		}
	}
	others := l.Words()
	if err := l.learn(ctx, w, slices.Concat(known, others)); err != nil {
		return nil, err
	}
	likeness := l.likeness(others, known)
	slices.SortStableFunc(others, func(a, b string) int { return cmp.Compare(likeness[b], likeness[a]) })
	return tokenizer.ExtendVocab(vocab, slices.DeleteFunc(slices.Concat(rare, others), func(word string) bool { return !isWord(word) }), lent), nil
}

// likeness is how close each word is to the closest of others.
func (l *lender) likeness(words, others []string) map[string]float32 {
	matrix := func(list []string) blas32.General {
		m := blas32.General{Rows: len(list), Cols: l.Dim(), Stride: l.Dim()}
		for _, word := range list {
			m.Data = append(m.Data, l.vectors[word]...)
		}
		return m
	}
	out := make(map[string]float32, len(words))
	if len(others) == 0 {
		return out
	}
	b := matrix(others)
	for part := range slices.Chunk(words, 256) {
		a := matrix(part)
		c := blas32.General{Rows: len(part), Cols: len(others), Stride: len(others), Data: make([]float32, len(part)*len(others))}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, a, b, 0, c)
		for i, word := range part {
			out[word] = slices.Max(c.Data[i*c.Stride : (i+1)*c.Stride])
		}
	}
	return out
}

// lend gives a run the vectors of all words of its model.
func (l *lender) lend(ctx context.Context, w *watcher, run *training.Run) error {
	if l == nil {
		return nil
	}
	text := run.Model.Text
	counts := make([]int, text.Tokenizer.Size())
	for caption := range run.Data.Texts() {
		seen := map[int64]bool{}
		for _, id := range text.Caption(caption).IDs {
			if !seen[id] {
				seen[id] = true
				counts[id]++
			}
		}
	}
	m := &lexicon.Map{Dim: l.Dim()}
	var pieces []string
	for id, piece := range text.Tokenizer.Vocab() {
		if isWord(piece) {
			m.IDs, m.Counts, pieces = append(m.IDs, id), append(m.Counts, counts[id]), append(pieces, piece)
		}
	}
	if err := l.learn(ctx, w, pieces); err != nil {
		return err
	}
	for _, piece := range pieces {
		m.Vectors = append(m.Vectors, l.vectors[piece]...)
	}
	run.Words = m
	return nil
}
