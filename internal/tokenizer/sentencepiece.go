package tokenizer

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// A sentenceRecipe is what a spiece.model says beside its pieces.
type sentenceRecipe struct {
	Table       []byte `json:"table,omitempty"` // precompiled normalization
	DummyPrefix bool   `json:"dummy_prefix,omitempty"`
	KeepSpaces  bool   `json:"keep_spaces,omitempty"` // do not trim and collapse them
	Plain       bool   `json:"plain,omitempty"`       // do not write spaces as ▁
	Suffix      bool   `json:"suffix,omitempty"`      // white space ends a word
	Types       []byte `json:"types,omitempty"`       // a pieceType for each piece
	// Canonicalize: Hugging Face's SigLIP tokenizer deletes ASCII punctuation and collapses white space first.
	Canonicalize bool `json:"canonicalize,omitempty"`
}

// Types of piece in a spiece.model.
const (
	pieceNormal  = 1
	pieceUnknown = 2
	pieceControl = 3
	pieceFixed   = 4 // user-defined
	pieceUnused  = 5
	pieceByte    = 6
)

// sentence is the unigram model as SentencePiece runs it, called as Hugging Face's SiglipTokenizer does: with <unk>
// written in front of the text, whose pieces are dropped, so that no blank is put before it.
type sentence struct {
	recipe sentenceRecipe
	model  *unigram
	table  *charsmap
	fixed  *prefixes // user-defined pieces, which normalization leaves alone
	front  string
	drop   int
}

func newSentence(r modelRecipe, v lexicon) (model, error) {
	s := &sentence{recipe: *r.Sentence}
	if len(s.recipe.Types) != len(v.pieces) {
		return nil, fmt.Errorf("%w: %d types of piece for %d pieces", ErrVocabulary, len(s.recipe.Types), len(v.pieces))
	}
	if s.recipe.Suffix || s.recipe.Plain {
		return nil, fmt.Errorf("%w: a SentencePiece model that writes white space otherwise than as ▁ in front of words is not supported", ErrVocabulary)
	}
	var err error
	if s.table, err = parseCharsmap(s.recipe.Table); err != nil {
		return nil, err
	}
	is := func(types ...byte) func(int) bool {
		return func(i int) bool {
			for _, t := range types {
				if s.recipe.Types[i] == t {
					return true
				}
			}
			return false
		}
	}
	s.model = newUnigram(v.pieces, v.scores, is(pieceNormal, pieceFixed), is(pieceNormal), r.Unknown)
	s.model.single = true
	var fixed []string
	for i, p := range v.pieces {
		if s.recipe.Types[i] == pieceFixed {
			if s.model.fixed == nil {
				s.model.fixed = make([]bool, len(v.pieces))
			}
			s.model.fixed[i] = true
			fixed = append(fixed, p)
		}
	}
	if fixed != nil {
		s.fixed = newPrefixes(fixed, make([]int32, len(fixed)))
	}
	if r.ByteFallback {
		if s.model.bytes, err = bytePieces(numbers(v.pieces)); err != nil {
			return nil, err
		}
	}
	if s.recipe.Canonicalize {
		s.front = v.pieces[r.Unknown]
		s.drop = len(s.encode(nil, chars(s.front, 0), 0))
	}
	return s, nil
}

func (s *sentence) append(tokens []Token, cs []char, word int) []Token {
	if !s.recipe.Canonicalize {
		return s.encode(tokens, cs, word)
	}
	text := make([]char, 0, len(s.front)+len(cs))
	for _, r := range s.front {
		text = append(text, char{r, cs[0].start, cs[0].start})
	}
	plain := make([]char, 0, len(cs))
	for _, c := range cs {
		if !asciiPunctuation(c.r) {
			plain = append(plain, c)
		}
	}
	text = append(text, collapse(plain)...)
	n := len(tokens)
	tokens = s.encode(tokens, text, word)
	if len(tokens)-n >= s.drop {
		tokens = append(tokens[:n], tokens[n+s.drop:]...)
	}
	return tokens
}

// encode normalizes and cuts a text.
func (s *sentence) encode(tokens []Token, cs []char, word int) []Token {
	cs = s.normalize(cs)
	if !s.recipe.KeepSpaces {
		out := make([]char, 0, len(cs))
		for _, c := range cs {
			if c.r != ' ' || len(out) > 0 && out[len(out)-1].r != ' ' {
				out = append(out, c)
			}
		}
		for len(out) > 0 && (out[len(out)-1].r == ' ' || out[len(out)-1].r == blank) {
			out = out[:len(out)-1]
		}
		cs = out
	}
	if len(cs) == 0 {
		return tokens
	}
	out := make([]char, 0, len(cs)+1)
	if s.recipe.DummyPrefix {
		out = append(out, char{blank, cs[0].start, cs[0].start})
	}
	for _, c := range cs {
		if c.r == ' ' {
			c = char{blank, c.end, c.end}
		}
		out = append(out, c)
	}
	return s.model.append(tokens, out, word)
}

func (s *sentence) normalize(cs []char) []char {
	if s.fixed == nil {
		return s.table.apply(cs)
	}
	var out []char
	from := 0
	for i := 0; i < len(cs); {
		n := s.fixedAt(cs[i:])
		if n == 0 {
			i++
			continue
		}
		out = append(out, s.table.apply(cs[from:i])...)
		out = append(out, cs[i:i+n]...)
		i += n
		from = i
	}
	return append(out, s.table.apply(cs[from:])...)
}

// fixedAt is the length of the longest user-defined piece at the start of cs.
func (s *sentence) fixedAt(cs []char) (length int) {
	var buf [utf8.UTFMax]byte
	w := s.fixed.walk()
	for i, c := range cs {
		for _, b := range buf[:utf8.EncodeRune(buf[:], c.r)] {
			if !w.step(b) {
				return length
			}
		}
		if _, ok := w.value(); ok {
			length = i + 1
		}
	}
	return length
}

// sentenceModel is a spiece.model as read.
type sentenceModel struct {
	pieces  []string
	scores  []float64
	recipe  sentenceRecipe
	kind    uint64 // 1: unigram, 2: BPE
	unknown int
	bytes   bool
}

// parseSentencePiece reads a spiece.model: a protobuf of pieces, trainer and normalizer.
func parseSentencePiece(b []byte) (*sentenceModel, error) {
	m := &sentenceModel{kind: 1, unknown: -1, recipe: sentenceRecipe{DummyPrefix: true}}
	err := fields(b, 0, func(num protowire.Number, at int, v field) error {
		switch num {
		case 1:
			return m.piece(v, at)
		case 2:
			return fields(v.bytes, at, func(num protowire.Number, _ int, v field) error {
				switch num {
				case 3:
					m.kind = v.number
				case 24:
					m.recipe.Suffix = v.number != 0
				case 35:
					m.bytes = v.number != 0
				}
				return nil
			})
		case 3:
			return fields(v.bytes, at, func(num protowire.Number, _ int, v field) error {
				switch num {
				case 2:
					m.recipe.Table = v.bytes
				case 3:
					m.recipe.DummyPrefix = v.number != 0
				case 4:
					m.recipe.KeepSpaces = v.number == 0
				case 5:
					m.recipe.Plain = v.number == 0
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.kind != 1 {
		return nil, fmt.Errorf("%w: the SentencePiece model is of type %d; only unigram (1) is supported, use the model's tokenizer.json", ErrVocabulary, m.kind)
	}
	if m.unknown < 0 {
		return nil, fmt.Errorf("%w: %d pieces and none of the unknown type: is this a spiece.model?", ErrVocabulary, len(m.pieces))
	}
	return m, nil
}

func (m *sentenceModel) piece(v field, at int) error {
	if len(m.pieces) == maxPieces {
		return fmt.Errorf("%w: offset %d: more than %d pieces", ErrVocabulary, at, maxPieces)
	}
	text, score, kind := "", float32(0), uint64(pieceNormal)
	err := fields(v.bytes, at, func(num protowire.Number, _ int, v field) error {
		switch num {
		case 1:
			text = string(v.bytes)
		case 2:
			score = math.Float32frombits(uint32(v.number))
		case 3:
			kind = v.number
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !utf8.ValidString(text) || text == "":
		return fmt.Errorf("%w: offset %d: piece %d is not text", ErrVocabulary, at, len(m.pieces))
	case kind < pieceNormal || kind > pieceByte:
		return fmt.Errorf("%w: offset %d: piece %d has the type %d", ErrVocabulary, at, len(m.pieces), kind)
	}
	if kind == pieceUnknown && m.unknown < 0 {
		m.unknown = len(m.pieces)
	}
	m.pieces = append(m.pieces, text)
	m.scores = append(m.scores, float64(score))
	m.recipe.Types = append(m.recipe.Types, byte(kind))
	return nil
}

// A field of a protobuf message: bytes, or a number of any kind.
type field struct {
	bytes  []byte
	number uint64
}

// fields calls each for the fields of a message that starts at offset at of its file.
func fields(b []byte, at int, each func(num protowire.Number, at int, v field) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: offset %d: not a protobuf: %w", ErrVocabulary, at, protowire.ParseError(n))
		}
		b, at = b[n:], at+n
		var v field
		inside := at
		switch kind {
		case protowire.VarintType:
			v.number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(b)
			v.number = uint64(x)
		case protowire.Fixed64Type:
			v.number, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(b)
			inside = at + n - len(v.bytes)
		default:
			n = protowire.ConsumeFieldValue(num, kind, b)
		}
		if n < 0 {
			return fmt.Errorf("%w: offset %d: not a protobuf: %w", ErrVocabulary, at, protowire.ParseError(n))
		}
		if err := each(num, inside, v); err != nil {
			return err
		}
		b, at = b[n:], at+n
	}
	return nil
}
