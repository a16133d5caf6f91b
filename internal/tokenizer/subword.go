package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kinds of tokenizer, as a model's bundle names them.
const (
	KindCLIP    = "clip"    // byte-level BPE with CLIP's pattern
	KindUnigram = "unigram" // SentencePiece's unigram model: SigLIP
	KindBPE     = "bpe"     // BPE over characters, bytes for those that are unknown: SigLIP 2
)

// A Subword is a tokenizer as its own files describe it: what is cleaned, which texts are tokens whole, how the rest
// is normalized and cut, and the model that makes pieces: BPE or unigram. See [Import] for the files.
type Subword struct {
	recipe recipe
	lexicon

	clean         func([]char) []char
	added, cooked *addedSet // looked for before and after normalization
	normal        []func([]char) []char
	model         model
}

// A recipe is everything but the vocabulary. It is stored as it is.
type recipe struct {
	Kind   string       `json:"kind"`
	Clean  string       `json:"clean,omitempty"`
	Added  []addedToken `json:"added,omitempty"`
	Normal []normalStep `json:"normal,omitempty"`
	Split  []splitStep  `json:"split,omitempty"`
	Model  modelRecipe  `json:"model"`
	Frame  Frame        `json:"frame"`

	Start int `json:"start,omitempty"`
	End   int `json:"end,omitempty"`
}

type modelRecipe struct {
	Unknown      int    `json:"unknown"`                 // id, -1: none
	FuseUnknown  bool   `json:"fuse_unknown,omitempty"`  // neighbouring unknowns are one token
	ByteLevel    bool   `json:"byte_level,omitempty"`    // pieces spell bytes as letters
	ByteFallback bool   `json:"byte_fallback,omitempty"` // unknown characters become pieces <0x..>
	Suffix       string `json:"suffix,omitempty"`        // ends the last piece of a part: </w>
	IgnoreMerges bool   `json:"ignore_merges,omitempty"` // a part that is a piece stays whole
	Waves        bool   `json:"waves,omitempty"`         // see bpe.merge
	// Sentence: the unigram model as SentencePiece itself runs it on a stretch of text, see sentence.
	Sentence *sentenceRecipe `json:"sentence,omitempty"`
}

// A lexicon is what a recipe is applied to. Of merges and scores one is there.
type lexicon struct {
	pieces []string
	merges *mergeTable
	scores []float64
}

// A model makes pieces of a part.
type model interface {
	append(tokens []Token, cs []char, word int) []Token
}

// Bounds of a vocabulary.
const (
	maxPieces = 1 << 21
	maxPiece  = 1 << 10 // bytes of one piece
)

// newSubword puts a tokenizer together.
func newSubword(r recipe, v lexicon) (*Subword, error) {
	if len(v.pieces) == 0 || len(v.pieces) > maxPieces {
		return nil, fmt.Errorf("%w: %d pieces; it must be from 1 to %d", ErrVocabulary, len(v.pieces), maxPieces)
	}
	for id, p := range v.pieces {
		if len(p) > maxPiece {
			return nil, fmt.Errorf("%w: piece %d has %d bytes", ErrVocabulary, id, len(p))
		}
	}
	s := &Subword{recipe: r, lexicon: v}
	if err := s.checkIDs(); err != nil {
		return nil, err
	}
	var err error
	if s.clean, err = cleaner(r.Clean); err != nil {
		return nil, err
	}
	for _, step := range r.Normal {
		f, err := step.compile()
		if err != nil {
			return nil, err
		}
		s.normal = append(s.normal, f)
	}
	for i := range r.Split {
		if err := r.Split[i].check(); err != nil {
			return nil, err
		}
	}
	var raw, cooked []addedToken
	var rawText, cookedText []string
	for _, t := range r.Added {
		if t.Content == "" || len(t.Content) > maxAdded {
			return nil, fmt.Errorf("%w: added token %d has %d bytes; it must be from 1 to %d", ErrVocabulary, t.ID, len(t.Content), maxAdded)
		}
		if t.Normalized {
			cooked = append(cooked, t)
			cookedText = append(cookedText, text(s.normalize(chars(t.Content, 0))))
		} else {
			raw = append(raw, t)
			rawText = append(rawText, t.Content)
		}
	}
	s.added, s.cooked = newAddedSet(raw, rawText), newAddedSet(cooked, cookedText)
	if v.merges != nil {
		s.model, err = newByteOrCharBPE(r.Model, v)
	} else {
		s.model, err = newUnigramModel(r.Model, v)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkIDs makes sure that every id that the recipe gives out is one of the vocabulary.
func (s *Subword) checkIDs() error {
	known := func(what string, id, least int) error {
		if id < least || id >= len(s.pieces) {
			return fmt.Errorf("%w: %s has the id %d of %d", ErrVocabulary, what, id, len(s.pieces))
		}
		return nil
	}
	r := s.recipe
	for _, t := range r.Added {
		if err := known(fmt.Sprintf("added token %q", clip(t.Content, 40)), t.ID, 0); err != nil {
			return err
		}
	}
	for _, step := range r.Split {
		for _, t := range step.Specials {
			if err := known(fmt.Sprintf("special token %q", clip(t.Content, 40)), t.ID, 0); err != nil {
				return err
			}
		}
	}
	for _, id := range append(append([]int(nil), r.Frame.Before...), r.Frame.After...) {
		if err := known("a token around the text", id, 0); err != nil {
			return err
		}
	}
	if len(r.Frame.Before)+len(r.Frame.After) > 16 {
		return fmt.Errorf("%w: %d tokens around the text", ErrVocabulary, len(r.Frame.Before)+len(r.Frame.After))
	}
	if err := known("the pad token", r.Frame.Pad, -1); err != nil {
		return err
	}
	return known("the unknown token", r.Model.Unknown, -1)
}

// Kind is one of the kinds above.
func (s *Subword) Kind() string { return s.recipe.Kind }

// Frame is what the network reads around the pieces.
func (s *Subword) Frame() Frame { return s.recipe.Frame }

// Size is the number of ids.
func (s *Subword) Size() int { return len(s.pieces) }

// Piece is the text of an id, or "".
func (s *Subword) Piece(id int) string {
	if id < 0 || id >= len(s.pieces) {
		return ""
	}
	return s.pieces[id]
}

func (s *Subword) normalize(cs []char) []char {
	for _, f := range s.normal {
		cs = f(cs)
	}
	return cs
}

// Tokenize cuts text into pieces.
func (s *Subword) Tokenize(text string) []Token {
	var tokens []Token
	word := -1
	first := true
	s.added.split(s.clean(chars(text, 0)), func(cs []char, id int) {
		if id >= 0 {
			word++
			tokens = append(tokens, Token{id, cs[0].start, cs[len(cs)-1].end, word})
			first = false
			return
		}
		s.cooked.split(s.normalize(cs), func(cs []char, id int) {
			parts := []part{{cs, id}}
			for i := range s.recipe.Split {
				var next []part
				for _, p := range parts {
					next = s.recipe.Split[i].split(next, p, first)
				}
				parts = next
			}
			first = false
			for _, p := range parts {
				word++
				if p.id >= 0 {
					tokens = append(tokens, Token{p.id, p.cs[0].start, p.cs[len(p.cs)-1].end, word})
				} else {
					tokens = s.model.append(tokens, p.cs, word)
				}
			}
		})
	})
	if s.recipe.Kind != KindCLIP {
		s.words(text, tokens)
	}
	inOrder(tokens)
	return tokens
}

// inOrder mends places that would run backwards: one character may become a blank, which lies behind it, and a
// mark, which covers it.
func inOrder(tokens []Token) {
	for i := len(tokens) - 2; i >= 0; i-- {
		t, next := &tokens[i], tokens[i+1]
		if t.Start > next.Start {
			if t.End == t.Start {
				t.End = next.Start
			}
			t.Start = next.Start
		}
	}
}

// words numbers the words of tokens whose parts are more or less than words: one begins with a blank, with a
// change between letters and other signs, and at every ideograph.
func (s *Subword) words(text string, tokens []Token) {
	word, part := -1, -1
	last := rune(-1)
	for i := range tokens {
		t := &tokens[i]
		begins := t.Word != part || strings.HasPrefix(s.pieces[t.ID], string(blank))
		part = t.Word
		if t.Start < t.End {
			first, _ := utf8.DecodeRuneInString(text[t.Start:t.End])
			if last >= 0 && t.Start > tokens[i-1].Start && (wordRune(first) != wordRune(last) || isCJK(first) || isCJK(last)) {
				begins = true
			}
			last, _ = utf8.DecodeLastRuneInString(text[t.Start:t.End])
		}
		if begins || word < 0 {
			word++
		}
		t.Word = word
	}
}

// bytePieces are the ids of <0x00> to <0xFF>.
func bytePieces(id map[string]int32) ([]int32, error) {
	ids := make([]int32, 256)
	for b := range ids {
		name := fmt.Sprintf("<0x%02X>", b)
		i, ok := id[name]
		if !ok {
			return nil, fmt.Errorf("%w: bytes stand for unknown characters, but there is no piece %s", ErrVocabulary, name)
		}
		ids[b] = i
	}
	return ids, nil
}

func newUnigramModel(r modelRecipe, v lexicon) (model, error) {
	if len(v.scores) != len(v.pieces) {
		return nil, fmt.Errorf("%w: %d scores for %d pieces", ErrVocabulary, len(v.scores), len(v.pieces))
	}
	if r.Unknown < 0 {
		return nil, fmt.Errorf("%w: a unigram model without an unknown token", ErrVocabulary)
	}
	for i, x := range v.scores {
		if x-x != 0 {
			return nil, fmt.Errorf("%w: the score of piece %d is not finite", ErrVocabulary, i)
		}
	}
	if r.Sentence != nil {
		return newSentence(r, v)
	}
	all := func(int) bool { return true }
	u := newUnigram(v.pieces, v.scores, all, all, r.Unknown)
	if r.ByteFallback {
		var err error
		if u.bytes, err = bytePieces(numbers(v.pieces)); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// numbers are the ids of pieces; of equal ones the last counts.
func numbers(pieces []string) map[string]int32 {
	id := make(map[string]int32, len(pieces))
	for i, p := range pieces {
		id[p] = int32(i)
	}
	return id
}

// symbols is a BPE model: what a part consists of before anything is merged, and the merges.
type symbols struct {
	recipe modelRecipe
	merges *mergeTable
	// Bytes as pieces, inside a part and at its end.
	inner, last [256]int32
	chars       map[rune]int32
	bytes       []int32          // ByteFallback
	whole       map[string]int32 // IgnoreMerges
}

func newByteOrCharBPE(r modelRecipe, v lexicon) (model, error) {
	m := &symbols{recipe: r, merges: v.merges}
	if r.IgnoreMerges {
		m.whole = numbers(v.pieces)
	}
	if r.ByteLevel {
		id := make(map[string]int32, 512)
		for i, p := range v.pieces {
			if n := utf8.RuneCountInString(p); n == 1 || r.Suffix != "" && n == 1+len(r.Suffix) {
				id[p] = int32(i)
			}
		}
		for b := range 256 {
			piece := string(byteRune(byte(b)))
			for to, p := range map[*[256]int32]string{&m.inner: piece, &m.last: piece + r.Suffix} {
				i, ok := id[p]
				if !ok {
					i = int32(r.Unknown)
				}
				to[b] = i
			}
		}
		return m, nil
	}
	if r.Suffix != "" {
		return nil, fmt.Errorf("%w: a BPE model over characters with the suffix %q is not supported", ErrVocabulary, clip(r.Suffix, 40))
	}
	m.chars = make(map[rune]int32)
	bytes := map[string]int32{}
	for i, p := range v.pieces {
		if r, n := utf8.DecodeRuneInString(p); n > 0 && n == len(p) {
			m.chars[r] = int32(i)
		}
		if len(p) == 6 && p[0] == '<' {
			bytes[p] = int32(i)
		}
	}
	if r.ByteFallback {
		var err error
		if m.bytes, err = bytePieces(bytes); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *symbols) append(tokens []Token, cs []char, word int) []Token {
	var b bpe
	if m.whole != nil {
		if id, ok := m.whole[m.spelt(cs)]; ok {
			return append(tokens, Token{int(id), cs[0].start, cs[len(cs)-1].end, word})
		}
	}
	var buf [utf8.UTFMax]byte
	unknown := false // was the last symbol?
	for i, c := range cs {
		spelt := buf[:utf8.EncodeRune(buf[:], c.r)]
		switch id, ok := m.chars[c.r]; {
		case m.recipe.ByteLevel:
			for j, x := range spelt {
				id := m.inner[x]
				if i == len(cs)-1 && j == len(spelt)-1 {
					id = m.last[x]
				}
				if id >= 0 {
					b.add(id, c)
				}
			}
		case ok:
			b.add(id, c)
			unknown = false
		case m.bytes != nil:
			for _, x := range spelt {
				b.add(m.bytes[x], c)
			}
			unknown = false
		case m.recipe.Unknown < 0:
			// Nothing stands for it.
		case unknown && m.recipe.FuseUnknown:
			b.sym[len(b.sym)-1].end = c.end
		default:
			b.add(int32(m.recipe.Unknown), c)
			unknown = true
		}
	}
	return b.merge(tokens, m.merges, m.recipe.Waves, word)
}

// spelt is a part as the vocabulary writes it.
func (m *symbols) spelt(cs []char) string {
	s := text(cs)
	if m.recipe.ByteLevel {
		rs := make([]rune, len(s))
		for i := range len(s) {
			rs[i] = byteRune(s[i])
		}
		s = string(rs) + m.recipe.Suffix
	}
	return s
}
