package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// A Library says whose code reads a model's files. Three tokenizers of CLIP's own vocabulary make different ids of the
// same text where it has HTML entities, mojibake or full-width letters, so the model's own library decides.
type Library int

const (
	// HuggingFace is transformers (and transformers.js): tokenizer.json before anything else.
	HuggingFace Library = iota
	// OpenCLIP is open_clip: its own CLIP tokenizer, or, with ImportOptions.HFName, one of Hugging Face behind
	// its own cleaning.
	OpenCLIP
	// Immich is Immich's machine-learning server.
	Immich
)

// ImportOptions are what a model's configuration says about its tokenizer. Nil means Hugging Face's CLIP.
type ImportOptions struct {
	Library Library
	// SigLIP: the text tower is of that family (model_type siglip or siglip2).
	SigLIP bool
	// HFName: OpenCLIP's text_cfg.hf_tokenizer_name stands in the configuration.
	HFName bool
	// Clean is OpenCLIP's text_cfg.tokenizer_kwargs.clean, "" for the default.
	Clean string
	// Size is the vocabulary size of the text tower; ids beyond it are an error. 0: not known.
	Size int
}

// Imported is a tokenizer and where it came from.
type Imported struct {
	*Subword
	// Files are those that were read, by name; Ignored those that were there, too, and say nothing more or nothing
	// that the model's library heeds.
	Files, Ignored []string
}

// Import makes the tokenizer of the model in a folder: of tokenizer.json, spiece.model, or vocab.json and merges.txt,
// with tokenizer_config.json, special_tokens_map.json and added_tokens.json.
func Import(dir string, o *ImportOptions) (*Imported, error) {
	if o == nil {
		o = &ImportOptions{}
	}
	im := &importer{dir: dir, o: o}
	r, v, err := im.read()
	if err != nil {
		return nil, err
	}
	s, err := newSubword(r, v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", im.main, err)
	}
	if o.Size > 0 && s.Size() > o.Size {
		return nil, fmt.Errorf("%s: %w: it makes ids up to %d, but the text tower knows %d: is it of the same model?", im.main, ErrVocabulary, s.Size()-1, o.Size)
	}
	out := &Imported{Subword: s, Files: im.files}
	for _, name := range []string{"tokenizer.json", "spiece.model", "vocab.json", "merges.txt", "added_tokens.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil && !slices.Contains(im.files, name) {
			out.Ignored = append(out.Ignored, name)
		}
	}
	return out, nil
}

// An importer reads the files of one folder.
type importer struct {
	dir   string
	o     *ImportOptions
	files []string
	main  string // the file of the vocabulary, for messages
}

// file reads a file of the folder; nil when it is absent.
func (im *importer) file(name string) ([]byte, error) {
	b, err := readBounded(filepath.Join(im.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	im.files = append(im.files, name)
	return b, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	defer f.Close()
	var b bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if info.Size() > maxTokenizerFile {
			return nil, fmt.Errorf("%s: %w: larger than %d MB", path, ErrVocabulary, maxTokenizerFile>>20)
		}
		b.Grow(int(info.Size()) + bytes.MinRead)
	}
	n, err := io.Copy(&b, io.LimitReader(f, maxTokenizerFile+1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if n > maxTokenizerFile {
		return nil, fmt.Errorf("%s: %w: larger than %d MB", path, ErrVocabulary, maxTokenizerFile>>20)
	}
	return b.Bytes(), nil
}

// config is what of tokenizer_config.json, special_tokens_map.json and added_tokens.json bears on ids.
type config struct {
	Class  string               `json:"tokenizer_class"`
	Length json.Number          `json:"model_max_length"`
	Pad    *nameJSON            `json:"pad_token"`
	BOS    *nameJSON            `json:"bos_token"`
	EOS    *nameJSON            `json:"eos_token"`
	UNK    *nameJSON            `json:"unk_token"`
	Added  map[string]addedJSON `json:"added_tokens_decoder"`
}

// nameJSON is a token written as a string or as an object.
type nameJSON string

func (n *nameJSON) UnmarshalJSON(b []byte) error {
	var s string
	if bytes.HasPrefix(b, []byte("{")) {
		var o struct {
			Content string `json:"content"`
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		s = o.Content
	} else if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*n = nameJSON(s)
	return nil
}

// config reads the small files. tokenizer_config.json has the last word.
func (im *importer) config() (config, error) {
	var c config
	for _, name := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		b, err := im.file(name)
		if err != nil {
			return c, err
		}
		if b == nil {
			continue
		}
		if err := decodeJSON(b, &c); err != nil {
			return c, fmt.Errorf("%s: %w", filepath.Join(im.dir, name), err)
		}
	}
	return c, nil
}

// length is model_max_length where it is a length and not "none" written as 10³⁰.
func (c config) length() int {
	n, err := strconv.Atoi(string(c.Length))
	if err != nil || n <= 0 || n > 1<<20 {
		return 0
	}
	return n
}

func (im *importer) read() (recipe, lexicon, error) {
	c, err := im.config()
	if err != nil {
		return recipe{}, lexicon{}, err
	}
	r, v, err := im.vocabulary(c)
	if err != nil {
		return r, v, err
	}
	if r.Clean, err = im.clean(r); err != nil {
		return r, v, err
	}
	if c.Pad != nil && !(im.o.Library == OpenCLIP && !im.o.HFName) {
		for id, p := range v.pieces {
			if p == string(*c.Pad) {
				r.Frame.Pad = id
			}
		}
	}
	if r.Frame.Length == 0 {
		r.Frame.Length = c.length()
	}
	return r, v, nil
}

// vocabulary chooses the file as the library does.
func (im *importer) vocabulary(c config) (recipe, lexicon, error) {
	if im.o.Library == OpenCLIP && !im.o.HFName {
		return im.openCLIP()
	}
	slow := im.o.Library == HuggingFace && c.Class == "SiglipTokenizer" // there is no fast one: tokenizer.json is not read
	if slow {
		if b, err := im.file("spiece.model"); err != nil || b != nil {
			return im.sentencePiece(b, err, true)
		}
	}
	b, err := im.file("tokenizer.json")
	if err != nil {
		return recipe{}, lexicon{}, err
	}
	if b != nil {
		im.main = filepath.Join(im.dir, "tokenizer.json")
		r, v, err := parseTokenizerJSON(b)
		if err != nil {
			err = fmt.Errorf("%s: %w", im.main, err)
		}
		return r, v, err
	}
	if b, err := im.file("spiece.model"); err != nil || b != nil {
		return im.sentencePiece(b, err, im.o.SigLIP && im.o.Library == HuggingFace)
	}
	if b, err = im.file("vocab.json"); err != nil || b == nil {
		if err == nil {
			err = fmt.Errorf("%s: %w: there is no tokenizer.json, no spiece.model, and no vocab.json with merges.txt", im.dir, ErrVocabulary)
		}
		return recipe{}, lexicon{}, err
	}
	return im.vocabAndMerges(b, c)
}

// clean is what the library does to a text first.
func (im *importer) clean(r recipe) (string, error) {
	o := im.o
	switch {
	case r.Clean != "":
		return r.Clean, nil // it comes with the vocabulary
	case o.Library == OpenCLIP:
		switch o.Clean {
		case "":
			if o.HFName {
				return CleanWhitespace, nil
			}
			return CleanOpenCLIP, nil
		case CleanOpenCLIP, CleanWhitespace, CleanCanonicalize:
			return o.Clean, nil
		}
		return "", fmt.Errorf("%w: OpenCLIP's cleaning %q is not known; it has lower, whitespace and canonicalize", ErrVocabulary, clip(o.Clean, 40))
	case o.Library == Immich:
		if o.Clean == CleanCanonicalize {
			return CleanImmichCanonicalize, nil
		}
		return CleanImmich, nil
	case o.SigLIP && r.Kind == KindBPE:
		return CleanLower, nil // SigLIP 2 was trained so; its tokenizer.json does not say it
	}
	return "", nil
}

// openCLIP reads the merges of OpenCLIP's own tokenizer.
func (im *importer) openCLIP() (recipe, lexicon, error) {
	path := filepath.Join(im.dir, "merges.txt")
	im.files = append(im.files, "merges.txt")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return recipe{}, lexicon{}, fmt.Errorf("%s: %w: OpenCLIP brings CLIP's vocabulary along in its package, and this folder has none: put the file merges.txt of openai/clip-vit-base-patch32 there", im.dir, ErrVocabulary)
	}
	im.main = path
	merges, err := loadMerges(path)
	if err != nil {
		return recipe{}, lexicon{}, err
	}
	r, v, err := mergesRecipe(merges, "<start_of_text>", "<end_of_text>")
	if err != nil {
		return r, v, fmt.Errorf("%s: %w", path, err)
	}
	if r.Clean, err = im.clean(recipe{}); err != nil {
		return r, v, err
	}
	return r, v, nil
}

// vocabAndMerges is what Hugging Face's fast tokenizer makes of CLIP's two files.
func (im *importer) vocabAndMerges(vocab []byte, c config) (recipe, lexicon, error) {
	var v lexicon
	r := recipe{
		Kind:   KindCLIP,
		Normal: []normalStep{{Type: "NFC"}, {Type: "Replace", Regex: `\s+`, Content: " "}, {Type: "Lowercase"}},
		Split:  []splitStep{{Type: splitCLIP}},
		Model:  modelRecipe{ByteLevel: true, Suffix: wordEnd},
	}
	im.main = filepath.Join(im.dir, "vocab.json")
	fail := func(err error) (recipe, lexicon, error) {
		return recipe{}, lexicon{}, fmt.Errorf("%s: %w", im.main, err)
	}
	var ids map[string]int
	if err := decodeJSON(vocab, &ids); err != nil {
		return fail(err)
	}
	added, err := im.addedTokens(c, ids)
	if err != nil {
		return recipe{}, lexicon{}, err
	}
	r.Added = added
	if v.pieces, err = piecesOf(ids, added); err != nil {
		return fail(err)
	}
	all := numbers(v.pieces)
	id := func(name *nameJSON, fallback string) (int, error) {
		if name != nil {
			fallback = string(*name)
		}
		i, ok := all[fallback]
		if !ok {
			return 0, fmt.Errorf("%w: %q is no piece of the vocabulary", ErrVocabulary, clip(fallback, 40))
		}
		return int(i), nil
	}
	start, err := id(c.BOS, clipStart)
	if err != nil {
		return fail(err)
	}
	end, err := id(c.EOS, clipEnd)
	if err != nil {
		return fail(err)
	}
	if r.Model.Unknown, err = id(c.UNK, clipEnd); err != nil {
		return fail(err)
	}
	r.Frame = Frame{Before: []int{start}, After: []int{end}, Pad: end}
	path := filepath.Join(im.dir, "merges.txt")
	merges, err := loadMerges(path)
	if err != nil {
		return recipe{}, lexicon{}, err
	}
	im.files = append(im.files, "merges.txt")
	if v.merges, err = resolveMerges(all, merges); err != nil {
		return recipe{}, lexicon{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, v, nil
}

// addedTokens are those of added_tokens.json and tokenizer_config.json; without either, CLIP's two.
func (im *importer) addedTokens(c config, ids map[string]int) ([]addedToken, error) {
	b, err := im.file("added_tokens.json")
	if err != nil {
		return nil, err
	}
	var more map[string]int
	if b != nil {
		if err := decodeJSON(b, &more); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(im.dir, "added_tokens.json"), err)
		}
	}
	var added []addedToken
	seen := map[string]bool{}
	for text, t := range c.Added {
		id, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: added_tokens_decoder has the id %q", filepath.Join(im.dir, "tokenizer_config.json"), ErrVocabulary, clip(text, 40))
		}
		t.ID = id
		added = append(added, addedToken(t))
		seen[t.Content] = true
	}
	for text, id := range more {
		if !seen[text] {
			added = append(added, addedToken{ID: id, Content: text, Normalized: true})
			seen[text] = true
		}
	}
	for _, text := range []string{clipStart, clipEnd} {
		if id, ok := ids[text]; ok && !seen[text] {
			added = append(added, addedToken{ID: id, Content: text, Normalized: true, Special: true})
		}
	}
	sortAdded(added)
	return added, nil
}

// sentencePiece makes a tokenizer of a spiece.model: as Hugging Face's SiglipTokenizer runs it, or converted as its
// fast T5 tokenizer is.
func (im *importer) sentencePiece(b []byte, err error, siglip bool) (recipe, lexicon, error) {
	im.main = filepath.Join(im.dir, "spiece.model")
	if err != nil {
		return recipe{}, lexicon{}, err
	}
	m, err := parseSentencePiece(b)
	if err != nil {
		return recipe{}, lexicon{}, fmt.Errorf("%s: %w", im.main, err)
	}
	v := lexicon{pieces: m.pieces, scores: m.scores}
	r := recipe{Kind: KindUnigram, Model: modelRecipe{Unknown: m.unknown, ByteFallback: m.bytes}}
	end, unknown := -1, m.unknown
	for id, p := range m.pieces {
		if p == "</s>" {
			end = id
		}
	}
	if end < 0 {
		return r, v, fmt.Errorf("%s: %w: there is no piece </s>", im.main, ErrVocabulary)
	}
	r.Frame = Frame{After: []int{end}, Pad: end}
	r.Added = []addedToken{
		{ID: end, Content: "</s>", Lstrip: siglip, Rstrip: siglip, Special: true},
		{ID: unknown, Content: m.pieces[unknown], Lstrip: siglip, Rstrip: siglip, Special: true},
	}
	if siglip {
		r.Clean = CleanSigLIP
		m.recipe.Canonicalize = true
		r.Model.Sentence = &m.recipe
		return r, v, nil
	}
	if len(m.recipe.Table) > 0 {
		r.Normal = []normalStep{{Type: "Precompiled", Table: m.recipe.Table}}
	}
	r.Normal = append(r.Normal, normalStep{Type: "Strip", Right: true}, normalStep{Type: "Replace", Regex: " {2,}", Content: string(blank)})
	r.Split = []splitStep{{Type: splitMetaspace, Prepend: "always"}}
	return r, v, nil
}
