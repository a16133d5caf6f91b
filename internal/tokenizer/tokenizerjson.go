package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxTokenizerFile bounds a file of a vocabulary; Gemma's tokenizer.json has 34 MB.
const maxTokenizerFile = 64 << 20

// tokenizerJSON is Hugging Face's tokenizer.json. A part whose kind is not known below is refused by name.
type tokenizerJSON struct {
	Truncation *struct {
		MaxLength int `json:"max_length"`
	} `json:"truncation"`
	Padding *struct {
		ID int `json:"pad_id"`
	} `json:"padding"`
	Added         []addedJSON     `json:"added_tokens"`
	Normalizer    *normalizerJSON `json:"normalizer"`
	PreTokenizer  *splitterJSON   `json:"pre_tokenizer"`
	PostProcessor *frameJSON      `json:"post_processor"`
	Model         modelJSON       `json:"model"`
}

type addedJSON struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type patternJSON struct {
	String *string
	Regex  *string
}

type normalizerJSON struct {
	Type        string           `json:"type"`
	Normalizers []normalizerJSON `json:"normalizers"`
	Pattern     patternJSON      `json:"pattern"`
	Content     string           `json:"content"`
	Prepend     string           `json:"prepend"`
	Left        bool             `json:"strip_left"`
	Right       bool             `json:"strip_right"`
	Table       []byte           `json:"precompiled_charsmap"`
}

// steps lists the steps in order.
func (n *normalizerJSON) steps(to []normalStep) ([]normalStep, error) {
	if n == nil {
		return to, nil
	}
	s := normalStep{Type: n.Type}
	switch n.Type {
	case "Sequence":
		for i := range n.Normalizers {
			var err error
			if to, err = n.Normalizers[i].steps(to); err != nil {
				return nil, err
			}
		}
		return to, nil
	case "Replace":
		s.Content = n.Content
		switch {
		case n.Pattern.String != nil:
			s.Pattern = *n.Pattern.String
		case n.Pattern.Regex != nil:
			s.Regex = *n.Pattern.Regex
		}
	case "Prepend":
		s.Content = n.Prepend
	case "Strip":
		s.Left, s.Right = n.Left, n.Right
	case "Precompiled":
		s.Table = n.Table
	}
	if len(to) == maxSteps {
		return nil, fmt.Errorf("%w: more than %d normalizers", ErrVocabulary, maxSteps)
	}
	return append(to, s), nil
}

// maxSteps bounds the normalizers and pre-tokenizers.
const maxSteps = 32

type splitterJSON struct {
	Type        string         `json:"type"`
	Splitters   []splitterJSON `json:"pretokenizers"`
	Pattern     patternJSON    `json:"pattern"`
	Behavior    string         `json:"behavior"`
	Invert      bool           `json:"invert"`
	Replacement string         `json:"replacement"`
	Scheme      *string        `json:"prepend_scheme"`
	Split       *bool          `json:"split"`
	AddPrefix   *bool          `json:"add_prefix_space"`
	UseRegex    *bool          `json:"use_regex"`
}

// flat lists the splitters in order.
func (s *splitterJSON) flat(to []splitterJSON) []splitterJSON {
	if s == nil {
		return to
	}
	if s.Type != "Sequence" {
		return append(to, *s)
	}
	for i := range s.Splitters {
		to = s.Splitters[i].flat(to)
	}
	return to
}

// steps are the splitters as steps, and whether pieces spell bytes.
func (s *splitterJSON) steps() (steps []splitStep, byteLevel bool, err error) {
	all := s.flat(nil)
	if len(all) > maxSteps {
		return nil, false, fmt.Errorf("%w: more than %d pre-tokenizers", ErrVocabulary, maxSteps)
	}
	for i, p := range all {
		switch p.Type {
		case "Split":
			switch {
			case p.Pattern.Regex != nil && strings.HasSuffix(*p.Pattern.Regex, clipPattern) && p.Behavior == "Removed" && p.Invert:
				names := strings.TrimSuffix(*p.Pattern.Regex, clipPattern)
				if names != "" && names != `<\|startoftext\|>|<\|endoftext\|>|` {
					return nil, false, fmt.Errorf("%w: the pre-tokenizer's pattern %q is not supported", ErrVocabulary, clip(*p.Pattern.Regex, 120))
				}
				steps = append(steps, splitStep{Type: splitCLIP})
			case p.Pattern.String != nil && p.Behavior == "MergedWithPrevious" && !p.Invert:
				steps = append(steps, splitStep{Type: splitString, Pattern: *p.Pattern.String})
			default:
				pattern := ""
				if p.Pattern.Regex != nil {
					pattern = *p.Pattern.Regex
				} else if p.Pattern.String != nil {
					pattern = *p.Pattern.String
				}
				return nil, false, fmt.Errorf("%w: a pre-tokenizer that splits at %q (%s, invert %t) is not supported", ErrVocabulary, clip(pattern, 120), p.Behavior, p.Invert)
			}
		case "ByteLevel":
			// CLIP's pattern has cut what GPT-2's, which this may use, would cut.
			cut := len(steps) > 0 && steps[len(steps)-1].Type == splitCLIP
			if i != len(all)-1 || p.AddPrefix != nil && *p.AddPrefix || !cut && (p.UseRegex == nil || *p.UseRegex) {
				return nil, false, fmt.Errorf("%w: a ByteLevel pre-tokenizer is supported after CLIP's pattern only, without add_prefix_space", ErrVocabulary)
			}
			byteLevel = true
		case "Metaspace":
			if p.Replacement != string(blank) {
				return nil, false, fmt.Errorf("%w: a Metaspace pre-tokenizer that writes %q is not supported", ErrVocabulary, clip(p.Replacement, 40))
			}
			m := splitStep{Type: splitMetaspace, Prepend: "always", Whole: p.Split != nil && !*p.Split}
			switch {
			case p.Scheme != nil:
				m.Prepend = *p.Scheme
			case p.AddPrefix != nil && !*p.AddPrefix:
				m.Prepend = "never"
			}
			steps = append(steps, m)
		default:
			return nil, false, fmt.Errorf("%w: the pre-tokenizer %q is not supported", ErrVocabulary, clip(p.Type, 40))
		}
	}
	return steps, byteLevel, nil
}

type frameJSON struct {
	Type       string      `json:"type"`
	Processors []frameJSON `json:"processors"`
	Cls        tokenJSON   `json:"cls"`
	Sep        tokenJSON   `json:"sep"`
	Single     []struct {
		SpecialToken *struct {
			ID string `json:"id"`
		}
		Sequence *struct {
			ID string `json:"id"`
		}
	} `json:"single"`
	Specials map[string]struct {
		IDs []int `json:"ids"`
	} `json:"special_tokens"`
}

// tokenJSON is ["<s>", 0].
type tokenJSON struct {
	text string
	id   int
}

func (t *tokenJSON) UnmarshalJSON(b []byte) error {
	pair := []any{&t.text, &t.id}
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("%d values for a token and its id", len(pair))
	}
	return nil
}

// frame fills in what stands around a text.
func (f *frameJSON) frame(to *Frame) error {
	if f == nil {
		return nil
	}
	switch f.Type {
	case "Sequence":
		for i := range f.Processors {
			if err := f.Processors[i].frame(to); err != nil {
				return err
			}
		}
	case "ByteLevel": // offsets only
	case "RobertaProcessing", "BertProcessing":
		to.Before, to.After = []int{f.Cls.id}, []int{f.Sep.id}
	case "TemplateProcessing":
		at := &to.Before
		for _, p := range f.Single {
			switch {
			case p.Sequence != nil:
				at = &to.After
			case p.SpecialToken != nil:
				s, ok := f.Specials[p.SpecialToken.ID]
				if !ok {
					return fmt.Errorf("%w: the template names the token %q, which it does not explain", ErrVocabulary, clip(p.SpecialToken.ID, 40))
				}
				*at = append(*at, s.IDs...)
			}
		}
	default:
		return fmt.Errorf("%w: the post-processor %q is not supported", ErrVocabulary, clip(f.Type, 40))
	}
	return nil
}

type modelJSON struct {
	Type         string      `json:"type"`
	Vocab        vocabJSON   `json:"vocab"`
	Merges       []mergeJSON `json:"merges"`
	Unknown      *string     `json:"unk_token"`
	UnknownID    *int        `json:"unk_id"`
	Prefix       *string     `json:"continuing_subword_prefix"`
	Suffix       *string     `json:"end_of_word_suffix"`
	FuseUnknown  bool        `json:"fuse_unk"`
	ByteFallback bool        `json:"byte_fallback"`
	IgnoreMerges bool        `json:"ignore_merges"`
}

// vocabJSON is {"piece": id, …} of BPE or [["piece", score], …] of a unigram model.
type vocabJSON struct {
	ids    map[string]int
	pieces []string
	scores []float64
}

func (v *vocabJSON) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("{")) {
		return json.Unmarshal(b, &v.ids)
	}
	var all []scoreJSON
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, p := range all {
		v.pieces, v.scores = append(v.pieces, p.text), append(v.scores, p.score)
	}
	return nil
}

type scoreJSON struct {
	text  string
	score float64
}

func (s *scoreJSON) UnmarshalJSON(b []byte) error {
	pair := []any{&s.text, &s.score}
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("%d values for a piece and its score", len(pair))
	}
	return nil
}

// mergeJSON is "a b" or, in newer files, ["a", "b"].
type mergeJSON [2]string

func (m *mergeJSON) UnmarshalJSON(b []byte) error {
	var list []string
	if bytes.HasPrefix(b, []byte("[")) {
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
	} else {
		var line string
		if err := json.Unmarshal(b, &line); err != nil {
			return err
		}
		list = strings.Split(line, " ")
	}
	if len(list) != 2 {
		return fmt.Errorf("a merge of %d pieces", len(list))
	}
	m[0], m[1] = list[0], list[1]
	return nil
}

// decodeJSON is json.Unmarshal with an error that says where.
func decodeJSON(b []byte, to any) error {
	err := json.Unmarshal(b, to)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: offset %d: %w", ErrVocabulary, syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("%w: offset %d: %w", ErrVocabulary, kind.Offset, err)
	}
	return fmt.Errorf("%w: %w", ErrVocabulary, err)
}

// piecesOf orders a vocabulary by its ids.
func piecesOf(ids map[string]int, added []addedToken) ([]string, error) {
	size := 0
	see := func(piece string, id int) error {
		if id < 0 || id >= maxPieces {
			return fmt.Errorf("%w: %q has the id %d; it must be from 0 to %d", ErrVocabulary, clip(piece, 40), id, maxPieces-1)
		}
		size = max(size, id+1)
		return nil
	}
	for p, id := range ids {
		if err := see(p, id); err != nil {
			return nil, err
		}
	}
	for _, t := range added {
		if err := see(t.Content, t.ID); err != nil {
			return nil, err
		}
	}
	if size > 2*(len(ids)+len(added))+1024 {
		return nil, fmt.Errorf("%w: %d pieces with ids up to %d", ErrVocabulary, len(ids)+len(added), size-1)
	}
	pieces := make([]string, size)
	for p, id := range ids {
		if p != "" && pieces[id] != "" {
			return nil, fmt.Errorf("%w: the pieces %q and %q have both the id %d", ErrVocabulary, clip(pieces[id], 40), clip(p, 40), id)
		}
		pieces[id] = p
	}
	for _, t := range added {
		pieces[t.ID] = t.Content
	}
	return pieces, nil
}

// parseTokenizerJSON makes a recipe and its lexicon of a tokenizer.json.
func parseTokenizerJSON(b []byte) (recipe, lexicon, error) {
	var (
		f tokenizerJSON
		r recipe
		v lexicon
	)
	if err := decodeJSON(b, &f); err != nil {
		return r, v, err
	}
	for _, t := range f.Added {
		r.Added = append(r.Added, addedToken(t))
	}
	var err error
	if r.Normal, err = f.Normalizer.steps(nil); err != nil {
		return r, v, err
	}
	if r.Split, r.Model.ByteLevel, err = f.PreTokenizer.steps(); err != nil {
		return r, v, err
	}
	r.Frame.Pad = -1
	if f.Padding != nil {
		r.Frame.Pad = f.Padding.ID
	}
	if f.Truncation != nil {
		r.Frame.Length = max(0, f.Truncation.MaxLength)
	}
	if err := f.PostProcessor.frame(&r.Frame); err != nil {
		return r, v, err
	}
	m := &f.Model
	if m.Type == "" && m.Merges != nil { // as older files have it
		m.Type = "BPE"
	}
	r.Model.ByteFallback, r.Model.FuseUnknown, r.Model.IgnoreMerges = m.ByteFallback, m.FuseUnknown, m.IgnoreMerges
	r.Model.Unknown = -1
	switch m.Type {
	case "BPE":
		if m.Prefix != nil && *m.Prefix != "" {
			return r, v, fmt.Errorf("%w: a BPE model with the continuing_subword_prefix %q is not supported", ErrVocabulary, clip(*m.Prefix, 40))
		}
		if m.Suffix != nil {
			r.Model.Suffix = *m.Suffix
		}
		if m.Unknown != nil {
			id, ok := m.Vocab.ids[*m.Unknown]
			if !ok {
				return r, v, fmt.Errorf("%w: unk_token %q is no piece", ErrVocabulary, clip(*m.Unknown, 40))
			}
			r.Model.Unknown = id
		}
		if v.pieces, err = piecesOf(m.Vocab.ids, r.Added); err != nil {
			return r, v, err
		}
		if v.merges, err = resolveMerges(numbers(v.pieces), mergesOf(m.Merges)); err != nil {
			return r, v, err
		}
		r.Kind = KindBPE
		if slices.ContainsFunc(r.Split, func(s splitStep) bool { return s.Type == splitCLIP }) {
			r.Kind = KindCLIP
		}
	case "Unigram":
		if m.UnknownID == nil {
			return r, v, fmt.Errorf("%w: a unigram model without unk_id", ErrVocabulary)
		}
		r.Kind = KindUnigram
		r.Model.Unknown = *m.UnknownID
		v.pieces, v.scores = m.Vocab.pieces, m.Vocab.scores
		for _, t := range r.Added { // beyond the model's own
			if t.ID >= len(v.pieces) && t.ID < len(v.pieces)+len(r.Added) {
				return r, v, fmt.Errorf("%w: added token %q has the id %d, beyond the %d pieces of the unigram model: not supported", ErrVocabulary, clip(t.Content, 40), t.ID, len(v.pieces))
			}
		}
	default:
		return r, v, fmt.Errorf("%w: a model of type %q is not supported; BPE and Unigram are", ErrVocabulary, clip(m.Type, 40))
	}
	return r, v, nil
}

func mergesOf(list []mergeJSON) [][2]string {
	merges := make([][2]string, len(list))
	for i, m := range list {
		merges[i] = m
	}
	return merges
}
