package index

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/aladin-go/aladin/internal/vector"
)

// Kind says what was encoded.
type Kind uint8

// Kinds of encodings and items.
const (
	Image Kind = iota
	Caption
)

// String returns "image" or "caption".
func (k Kind) String() string {
	switch k {
	case Image:
		return "image"
	case Caption:
		return "caption"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Box is x1, y1, x2, y2 as shares of the image's width and height, 0…1.
type Box = [4]float32

// Word is a word of a text and the half-open range of its bytes there.
type Word struct {
	Text       string
	Start, End int
}

// Encoding is what a model makes of an image or a caption: one vector to match
// and tokens to align. It is plain data; nothing in this package modifies one.
type Encoding struct {
	Kind  Kind
	Model string // fingerprint of the model that made it

	// Matching is the vector in the common space. Its length is 1, or less where the
	// model makes items shorter that are near everything.
	Matching []float32

	// Tokens holds N rows of equal length, one for each region or word piece. Rows
	// have length 1 (less for regions of such an item); a row of zeros is a null region, whose similarity
	// with everything is 0. Weights says what share each token takes in an
	// alignment score; nil means 1 each. In a query a weight may be negative; in
	// an item it is at least 0, and for regions only 0 or not matters.
	Tokens  []float32
	Weights []float32

	Words  []Word   // captions: the word that each token belongs to
	Boxes  []Box    // images: where each region is
	Labels []string // images: what a detector called each region, or ""
	Text   string

	// Unread is how many bytes at the end of Text the model left out, because it reads no texts as long. It is not
	// stored.
	Unread int

	// Untrained says that nobody trained the model's tokens to be compared word by word: an alignment with this
	// query shows where something might be, but should not rank. It is not stored.
	Untrained bool

	// Ranking says how what this query finds is ranked; nil is by alignment alone. Models that are calibrated set it.
	// It is not stored.
	Ranking *Ranking
}

// Item is an entry of an index.
type Item struct {
	ID       string
	Encoding *Encoding
	Tags     []string
	Meta     json.RawMessage // any one JSON value, or nil

	// State is kept with the item for whom it means something, such as a program
	// that keeps an index in step with a folder. No search looks at it.
	State []byte
}

// Limits on one item. They keep a hostile or mistaken input from making an index
// that is costly to read.
const (
	maxID     = 4096
	maxTokens = 1 << 15
	maxText   = 1 << 20
	maxMeta   = 1 << 20
	maxTags   = 1 << 12
	maxState  = 1 << 12

	maxFileState = 1 << 20
	maxLength    = 1.01 // of a matching vector: 1, and what codecs and half precision make of it
)

// N is the number of tokens.
func (e *Encoding) N() int {
	switch {
	case e.Weights != nil:
		return len(e.Weights)
	case e.Kind == Caption && e.Words != nil:
		return len(e.Words)
	case e.Boxes != nil:
		return len(e.Boxes)
	case e.Labels != nil:
		return len(e.Labels)
	case len(e.Matching) > 0:
		return len(e.Tokens) / len(e.Matching)
	}
	return 0
}

// weight of token i.
func (e *Encoding) weight(i int) float32 {
	if e.Weights == nil {
		return 1
	}
	return e.Weights[i]
}

// token i, of dim values.
func (e *Encoding) token(i, dim int) []float32 { return e.Tokens[i*dim : (i+1)*dim] }

// check holds an encoding against an index's dimensions; 0 means not known yet.
func (e *Encoding) check(dim, tokenDim int) error {
	if e.Kind != Image && e.Kind != Caption {
		return fmt.Errorf("%w: unknown %v", ErrInvalid, e.Kind)
	}
	if len(e.Matching) == 0 || len(e.Matching) > vector.MaxDim {
		return fmt.Errorf("%w: matching vector of %d values", ErrInvalid, len(e.Matching))
	}
	if dim != 0 && len(e.Matching) != dim {
		return fmt.Errorf("%w: matching vector of %d values, the index has %d", ErrInvalid, len(e.Matching), dim)
	}
	if err := finite("matching vector", e.Matching); err != nil {
		return err
	}
	n := e.N()
	for what, m := range map[string]int{"weights": len(e.Weights), "words": len(e.Words), "boxes": len(e.Boxes), "labels": len(e.Labels)} {
		if m != 0 && m != n {
			return fmt.Errorf("%w: %d %s for %d tokens", ErrInvalid, m, what, n)
		}
	}
	if err := e.Ranking.check(n); err != nil {
		return err
	}
	if n == 0 {
		if len(e.Tokens) != 0 {
			return fmt.Errorf("%w: %d token values for no token", ErrInvalid, len(e.Tokens))
		}
		return nil
	}
	d := len(e.Tokens) / n
	if n > maxTokens || d == 0 || d > vector.MaxDim || len(e.Tokens) != n*d || tokenDim != 0 && d != tokenDim {
		return fmt.Errorf("%w: %d token values for %d tokens of %d (at most %d tokens)", ErrInvalid, len(e.Tokens), n, tokenDim, maxTokens)
	}
	if err := finite("tokens", e.Tokens); err != nil {
		return err
	}
	return finite("weights", e.Weights)
}

func finite(what string, v []float32) error {
	for i, x := range v {
		if x-x != 0 { // NaN or infinite
			return fmt.Errorf("%w: %s: value %d is %v", ErrInvalid, what, i, x)
		}
	}
	return nil
}

// check holds an item against the limits.
func (it *Item) check(dim, tokenDim int) error {
	if err := checkID(it.ID); err != nil {
		return err
	}
	e := it.Encoding
	if e == nil {
		return fmt.Errorf("%w: item %q has no encoding", ErrInvalid, it.ID)
	}
	if err := e.check(dim, tokenDim); err != nil {
		return fmt.Errorf("item %q: %w", it.ID, err)
	}
	if l := length(e.Matching); l > maxLength {
		return fmt.Errorf("item %q: %w: the matching vector's length is %.3g, at most 1 is allowed: normalise it", it.ID, ErrInvalid, l)
	}
	for i, w := range e.Weights {
		if w < 0 {
			return fmt.Errorf("item %q: %w: weight %d is %v, an item's weights are at least 0", it.ID, ErrInvalid, i, w)
		}
	}
	for i, w := range e.Words {
		if w.Start < 0 || w.End < w.Start || w.End > math.MaxInt32 || len(w.Text) > maxText {
			return fmt.Errorf("item %q: %w: word %d spans %d to %d", it.ID, ErrInvalid, i, w.Start, w.End)
		}
	}
	f := Fields{Text: e.Text, Meta: it.Meta, Tags: it.Tags, State: it.State}
	if err := f.check(); err != nil {
		return fmt.Errorf("item %q: %w", it.ID, err)
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > maxID || !utf8.ValidString(id) {
		return fmt.Errorf("%w: id %.40q is empty, longer than %d bytes, or not UTF-8", ErrInvalid, id, maxID)
	}
	return nil
}

// check holds fields against the limits.
func (f *Fields) check() error {
	if len(f.Text) > maxText || len(f.Meta) > maxMeta || len(f.Tags) > maxTags || len(f.State) > maxState {
		return fmt.Errorf("%w: %d bytes of text, %d of metadata, %d tags, %d bytes of state exceed %d, %d, %d, %d",
			ErrInvalid, len(f.Text), len(f.Meta), len(f.Tags), len(f.State), maxText, maxMeta, maxTags, maxState)
	}
	if len(f.Meta) > 0 && !json.Valid(f.Meta) {
		return fmt.Errorf("%w: metadata is not JSON", ErrInvalid)
	}
	for _, t := range f.Tags {
		if t == "" || len(t) > maxID {
			return fmt.Errorf("%w: tag %.40q is empty or longer than %d bytes", ErrInvalid, t, maxID)
		}
	}
	return nil
}
