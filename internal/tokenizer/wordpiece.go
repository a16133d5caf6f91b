package tokenizer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrVocabulary is returned when a vocabulary or merges file cannot serve as one.
var ErrVocabulary = errors.New("tokenizer: unusable vocabulary")

// maxWordChars is the longest word (in characters) that is cut into pieces; a longer one is [UNK].
const maxWordChars = 100

// maxVocabBytes bounds the size of a vocabulary file; BERT's largest is 2 MB.
const maxVocabBytes = 64 << 20

// Options of a WordPiece tokenizer; nil and zero mean BERT "uncased".
type Options struct {
	Cased bool // keep case and accents
	// Learned says that [BuildVocab] made the vocabulary of what the model was trained with: a word that is cut into
	// pieces is one that the model met rarely or never.
	Learned bool
}

// options are the tokenizer's in a bundle's model.json.
type options struct {
	Learned bool `json:"learned_words,omitempty"`
}

// BundleOptions reads the options of a WordPiece tokenizer in a bundle.
func BundleOptions(lowercase bool, raw json.RawMessage) (*Options, error) {
	var o options
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &o); err != nil {
			return nil, fmt.Errorf("%w: tokenizer options: %w", ErrVocabulary, err)
		}
	}
	return &Options{Cased: !lowercase, Learned: o.Learned}, nil
}

// BundleOptions are what [BundleOptions] reads; nil where there is nothing to say.
func (wp *WordPiece) BundleOptions() json.RawMessage {
	if !wp.learned {
		return nil
	}
	raw, err := json.Marshal(options{Learned: true})
	if err != nil {
		panic(err) // a struct of one bool
	}
	return raw
}

// A WordPiece is BERT's tokenizer: basic tokenization, then the longest known piece first.
type WordPiece struct {
	vocab []string
	id    map[string]int // whole pieces
	cont  map[string]int // pieces that continue a word, without their ##
	// The longest keys of both maps in bytes, so that no hopeless lookups are made.
	maxID, maxCont int
	cased, learned bool
	// The first piece that is a part of words only; where the vocabulary was learned, whole words come before.
	parts int

	pad, unk, cls, sep, mask int
}

// LoadWordPiece reads a vocabulary file (BERT's vocab.txt): one piece a line, the line number is its id.
func LoadWordPiece(path string, o *Options) (*WordPiece, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: vocabulary: %w", err)
	}
	defer f.Close()
	wp, err := ReadWordPiece(f, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return wp, nil
}

// ReadWordPiece is LoadWordPiece for an open file.
func ReadWordPiece(r io.Reader, o *Options) (*WordPiece, error) {
	lr := &io.LimitedReader{R: r, N: maxVocabBytes + 1}
	br := bufio.NewReader(lr)
	var vocab []string
	for {
		line, err := br.ReadString('\n')
		if lr.N == 0 {
			return nil, fmt.Errorf("%w: larger than %d MB", ErrVocabulary, maxVocabBytes>>20)
		}
		if line != "" {
			piece := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if !utf8.ValidString(piece) {
				return nil, fmt.Errorf("%w: line %d is not UTF-8", ErrVocabulary, len(vocab)+1)
			}
			if len(vocab) == maxPieces {
				return nil, fmt.Errorf("%w: more than %d lines", ErrVocabulary, maxPieces)
			}
			vocab = append(vocab, piece)
		}
		if err == io.EOF {
			return NewWordPiece(vocab, o)
		}
		if err != nil {
			return nil, fmt.Errorf("tokenizer: vocabulary line %d: %w", len(vocab)+1, err)
		}
	}
}

// NewWordPiece makes a tokenizer of a vocabulary whose indices are the ids. It must hold [UNK]. A
// piece that occurs twice is an error: which of its ids a model knows cannot be told. The slice is copied.
func NewWordPiece(vocab []string, o *Options) (*WordPiece, error) {
	if o == nil {
		o = &Options{}
	}
	wp := &WordPiece{
		vocab: append([]string(nil), vocab...),
		id:    make(map[string]int, len(vocab)),
		cont:  make(map[string]int, len(vocab)/4),
		cased: o.Cased, learned: o.Learned,
	}
	for i, p := range wp.vocab {
		if first, ok := wp.id[p]; ok {
			return nil, fmt.Errorf("%w: lines %d and %d are both %q", ErrVocabulary, first+1, i+1, clip(p, 40))
		}
		wp.id[p] = i
		wp.maxID = max(wp.maxID, len(p))
		if c, ok := strings.CutPrefix(p, "##"); ok {
			if wp.parts == 0 && utf8.RuneCountInString(c) > 1 {
				wp.parts = i
			}
			wp.cont[c] = i
			wp.maxCont = max(wp.maxCont, len(c))
		}
	}
	if wp.parts == 0 {
		wp.parts = len(vocab)
	}
	for name, id := range map[string]*int{"[PAD]": &wp.pad, "[UNK]": &wp.unk, "[CLS]": &wp.cls, "[SEP]": &wp.sep, "[MASK]": &wp.mask} {
		i, ok := wp.id[name]
		if !ok {
			i = -1
		}
		*id = i
	}
	if wp.unk < 0 {
		return nil, fmt.Errorf("%w: %d pieces and no [UNK] among them: is this a BERT vocab.txt, one piece a line?", ErrVocabulary, len(vocab))
	}
	return wp, nil
}

// Tokenize cuts text into pieces. It adds no [CLS] and no [SEP]; those written in the text become
// the tokens of that name, as in the original.
func (wp *WordPiece) Tokenize(text string) []Token {
	var (
		tokens []Token
		word   = -1
		buf    []byte // the word in UTF-8
		at     []int  // where each of its characters starts in buf, and the end
	)
	s := splitter{cased: wp.cased}
	s.word = func(cs []char, start, end int, named string) {
		word++
		if named != "" {
			id, ok := wp.id[named]
			if !ok {
				id = wp.unk
			}
			tokens = append(tokens, Token{id, start, end, word})
			return
		}
		if len(cs) > maxWordChars {
			tokens = append(tokens, Token{wp.unk, start, end, word})
			return
		}
		buf, at = buf[:0], at[:0]
		for _, c := range cs {
			at = append(at, len(buf))
			buf = utf8.AppendRune(buf, c.r)
		}
		at = append(at, len(buf))

		pieces, longest, first := wp.id, wp.maxID, len(tokens)
		for i := 0; i < len(cs); {
			j := len(cs)
			for at[j]-at[i] > longest {
				j--
			}
			id, ok := 0, false
			for ; j > i; j-- {
				if id, ok = pieces[string(buf[at[i]:at[j]])]; ok {
					break
				}
			}
			if !ok { // one unknown character makes the whole word unknown
				tokens = append(tokens[:first], Token{wp.unk, start, end, word})
				return
			}
			tokens = append(tokens, Token{id, cs[i].start, cs[j-1].end, word})
			i, pieces, longest = j, wp.cont, wp.maxCont
		}
	}
	s.split(text)
	return tokens
}

// ID is the id of a piece as the vocabulary writes it ("##ing").
func (wp *WordPiece) ID(piece string) (int, bool) {
	id, ok := wp.id[piece]
	return id, ok
}

// Piece is the text of an id, or "" when there is no such id.
func (wp *WordPiece) Piece(id int) string {
	if id < 0 || id >= len(wp.vocab) {
		return ""
	}
	return wp.vocab[id]
}

// Size is the number of ids.
func (wp *WordPiece) Size() int { return len(wp.vocab) }

// Vocab is a copy of the vocabulary: the piece of every id.
func (wp *WordPiece) Vocab() []string { return append([]string(nil), wp.vocab...) }

// Cased reports whether case and accents are kept.
func (wp *WordPiece) Cased() bool { return wp.cased }

// PAD, UNK, CLS, SEP and MASK are the ids of the special tokens, -1 where the vocabulary lacks one
// ([UNK] is always there).
func (wp *WordPiece) PAD() int  { return wp.pad }
func (wp *WordPiece) UNK() int  { return wp.unk }
func (wp *WordPiece) CLS() int  { return wp.cls }
func (wp *WordPiece) SEP() int  { return wp.sep }
func (wp *WordPiece) MASK() int { return wp.mask }

// Frame is [CLS] in front, [SEP] behind, [PAD] after; what the vocabulary lacks is left out.
func (wp *WordPiece) Frame() Frame {
	f := Frame{Pad: wp.pad}
	if wp.cls >= 0 {
		f.Before = []int{wp.cls}
	}
	if wp.sep >= 0 {
		f.After = []int{wp.sep}
	}
	return f
}

// WriteVocab writes a vocabulary in the form that LoadWordPiece reads.
func WriteVocab(w io.Writer, vocab []string) error {
	bw := bufio.NewWriter(w)
	for i, p := range vocab {
		if strings.ContainsAny(p, "\r\n") {
			return fmt.Errorf("%w: piece %d holds a line break", ErrVocabulary, i)
		}
		bw.WriteString(p)
		bw.WriteByte('\n')
	}
	return bw.Flush()
}

// Learned are the words that the model was trained with, the most frequent first; nil where the vocabulary does
// not say.
func (wp *WordPiece) Learned() []string {
	if !wp.learned {
		return nil
	}
	var words []string
	for _, p := range wp.vocab[:wp.parts] {
		if letters := strings.TrimFunc(p, unicode.IsLetter); letters == "" && utf8.RuneCountInString(p) > 1 {
			words = append(words, p)
		}
	}
	return words
}

// IsLearned says whether a piece is a word that the model was trained with, or a character.
func (wp *WordPiece) IsLearned(id int) bool {
	return id < wp.parts || id < len(wp.vocab) && utf8.RuneCountInString(wp.vocab[id]) == 1
}
