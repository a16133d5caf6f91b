package tokenizer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// byteTokenizer is a tokenizer.json like SigLIP 2's: BPE over characters, bytes for those that are unknown.
func byteTokenizer() string {
	vocab := []string{`"<pad>": 0`, `"<eos>": 1`, `"<unk>": 2`}
	add := func(p string) { vocab = append(vocab, fmt.Sprintf("%q: %d", p, len(vocab))) }
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b))
	}
	for _, p := range []string{"▁", "c", "a", "t", "s", "ca", "cat", "▁cat", ","} {
		add(p)
	}
	return `{"truncation": {"max_length": 8}, "padding": {"pad_id": 0},
		"added_tokens": [{"id": 1, "content": "<eos>", "special": true}],
		"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
		"pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
		"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<eos>"}}],
			"special_tokens": {"<eos>": {"ids": [1]}}},
		"model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
			"vocab": {` + strings.Join(vocab, ", ") + `}, "merges": ["c a", ["ca", "t"], "▁ cat"]}}`
}

// pieceTokenizer is a tokenizer.json like T5's.
const pieceTokenizer = `{"added_tokens": [{"id": 1, "content": "</s>", "special": true}],
	"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Strip", "strip_right": true}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]},
	"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
	"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
		"special_tokens": {"</s>": {"ids": [1]}}},
	"model": {"type": "Unigram", "unk_id": 2, "vocab": [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁", -3], ["▁a", -2], ["▁cat", -4], ["c", -5], ["a", -5], ["t", -5], ["s", -3], ["at", -4], ["fi", -1]]}}`

// spiece is a spiece.model; each piece has a score of −1 and the type that stands before it.
func spiece(table []byte, pieces ...string) []byte {
	var b []byte
	for _, p := range pieces {
		var m []byte
		m = protowire.AppendTag(m, 1, protowire.BytesType)
		m = protowire.AppendString(m, p[1:])
		m = protowire.AppendTag(m, 2, protowire.Fixed32Type)
		m = protowire.AppendFixed32(m, math.Float32bits(-1))
		m = protowire.AppendTag(m, 3, protowire.VarintType)
		m = protowire.AppendVarint(m, uint64(p[0]-'0'))
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, m)
	}
	var norm []byte
	norm = protowire.AppendTag(norm, 2, protowire.BytesType)
	norm = protowire.AppendBytes(norm, table)
	b = protowire.AppendTag(b, 3, protowire.BytesType)
	return protowire.AppendBytes(b, norm)
}

// folder writes the files of a model.
func folder(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, s := range files {
		require.NoError(tb, os.WriteFile(filepath.Join(dir, name), []byte(s), 0o600))
	}
	return dir
}

func spelt(t Tokenizer, text string) string {
	var out []string
	for _, tok := range t.Tokenize(text) {
		out = append(out, fmt.Sprintf("%s=%s/%d", t.Piece(tok.ID), text[tok.Start:tok.End], tok.Word))
	}
	return strings.Join(out, " ")
}

func TestByteFallback(t *testing.T) {
	tok, err := Import(folder(t, map[string]string{"tokenizer.json": byteTokenizer()}), nil)
	require.NoError(t, err)
	require.Equal(t, KindBPE, tok.Kind())
	require.Equal(t, Frame{After: []int{1}, Pad: 0, Length: 8}, tok.Frame())
	require.Equal(t, "cat=cat/0 s=s/0 ▁cat=cat/1 ,=,/2 <0xC3>=é/3 <0xA9>=é/3", spelt(tok, "cats cat,é"))
	require.Equal(t, "cat=cat/0 <eos>=<eos>/1 a=a/2", spelt(tok, "cat<eos>a"))

	s := Encode(tok, strings.Repeat("cat ", 20), tok.Frame().Length)
	require.Len(t, s.Tokens, 8)
	require.Equal(t, 20+1-7, s.Cut, "the last blank is a piece, too")
	require.Equal(t, 1, s.Tokens[7].ID)
	require.False(t, s.Empty())
	s = Encode(tok, "", 4)
	require.True(t, s.Empty())
	require.Equal(t, []int64{1, 0, 0, 0}, s.IDs(4, 0))
	require.Len(t, Encode(tok, "cat", 1).Tokens, 1, "the frame stays")
}

func TestUnigram(t *testing.T) {
	tok, err := Import(folder(t, map[string]string{"tokenizer.json": pieceTokenizer, "tokenizer_config.json": `{"pad_token": {"content": "</s>"}, "model_max_length": 64}`}), nil)
	require.NoError(t, err)
	require.Equal(t, Frame{After: []int{1}, Pad: 1, Length: 64}, tok.Frame())
	require.Equal(t, "▁cat=cat/0 s=s/0 ▁a=a/1", spelt(tok, "cats a"))
	require.Equal(t, "▁=/0 fi=ﬁ/0 ▁=/1 <unk>=日本/1 at=at/2", spelt(tok, "ﬁ  日本at"), "an ideograph is no part of a word in letters")
	require.Empty(t, tok.Tokenize(" "))
}

func TestSentencePiece(t *testing.T) {
	model := string(spiece(nil, "2<unk>", "1▁", "1▁cat", "1s", "1<", "1unk", "1>", "3</s>", "4[x]"))
	tok, err := Import(folder(t, map[string]string{"spiece.model": model, "tokenizer_config.json": `{"tokenizer_class": "SiglipTokenizer"}`}), &ImportOptions{SigLIP: true})
	require.NoError(t, err)
	require.Equal(t, "▁cat=Cat/0 s=s/0 ▁cat=cat/1", spelt(tok, "Cats,  (cat) "))
	require.Equal(t, "▁cat=cat/0 </s>=</s> /1 s=s/2", spelt(tok, "cat</s> s"))

	// The same file behind OpenCLIP.
	tok, err = Import(folder(t, map[string]string{"spiece.model": model}), &ImportOptions{Library: OpenCLIP, HFName: true, Clean: "canonicalize"})
	require.NoError(t, err)
	require.Equal(t, "▁cat=Cat/0 s=s/0 ▁cat=cat/1", spelt(tok, "Cats,_(cat) "))
}

// CLIP's two files without a tokenizer.json are read as Hugging Face converts them.
func TestVocabAndMerges(t *testing.T) {
	c := smallCLIP(t)
	var ids []string
	for i := range c.Size() {
		ids = append(ids, fmt.Sprintf("%q: %d", c.Piece(i), i))
	}
	files := map[string]string{"vocab.json": "{" + strings.Join(ids, ",") + "}", "merges.txt": smallMerges, "added_tokens.json": `{"<toy>": 522}`}
	tok, err := Import(folder(t, files), nil)
	require.NoError(t, err)
	require.Equal(t, KindCLIP, tok.Kind())
	require.Equal(t, Frame{Before: []int{520}, After: []int{521}, Pad: 521}, tok.Frame())
	require.Equal(t, "cat</w>=Cat/0 <toy>=<toy>/1 &</w>=&/2 dog</w>=dog/3", spelt(tok, "Cat<toy> &dog"))
	require.Equal(t, []string{"vocab.json", "added_tokens.json", "merges.txt"}, tok.Files)

	open, err := Import(folder(t, files), &ImportOptions{Library: OpenCLIP})
	require.NoError(t, err)
	require.Equal(t, []string{"vocab.json", "added_tokens.json"}, open.Ignored)
	require.Equal(t, Frame{Before: []int{520}, After: []int{521}}, open.Frame(), "OpenCLIP pads with 0")

	_, err = Import(t.TempDir(), &ImportOptions{Library: OpenCLIP})
	require.ErrorContains(t, err, "put the file merges.txt")
	alone := folder(t, map[string]string{"merges.txt": smallMerges})
	_, err = Import(alone, &ImportOptions{Library: OpenCLIP, Size: 522})
	require.NoError(t, err)
	_, err = Import(alone, &ImportOptions{Library: OpenCLIP, Size: 500})
	require.ErrorContains(t, err, "the text tower knows 500")
}

func TestImportRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no tokenizer.json":      {},
		"offset":                 {"tokenizer.json": `{"model": {"type": "BPE", }}`},
		"offset ":                {"tokenizer.json": `{"model": {"vocab": {"a": "b"}}}`},
		"WordPiece":              {"tokenizer.json": `{"model": {"type": "WordPiece", "vocab": {"a": 0}}}`},
		"BertNormalizer":         {"tokenizer.json": strings.Replace(pieceTokenizer, `"NFKC"`, `"BertNormalizer"`, 1)},
		`"BertPreTokenizer"`:     {"tokenizer.json": strings.Replace(pieceTokenizer, `"Metaspace"`, `"BertPreTokenizer"`, 1)},
		"unk_id":                 {"tokenizer.json": strings.Replace(pieceTokenizer, `"unk_id": 2`, `"unk_id": null`, 1)},
		"the unknown token":      {"tokenizer.json": strings.Replace(pieceTokenizer, `"unk_id": 2`, `"unk_id": 200`, 1)},
		"added token":            {"tokenizer.json": strings.Replace(pieceTokenizer, `[{"id": 1,`, `[{"id": -1,`, 1)},
		"ids up to":              {"tokenizer.json": strings.Replace(byteTokenizer(), `"<pad>": 0`, `"<pad>": 1000000`, 1)},
		"<0x07>":                 {"tokenizer.json": strings.Replace(byteTokenizer(), `"<0x07>"`, `"x07"`, 1)},
		"not both pieces":        {"tokenizer.json": strings.Replace(byteTokenizer(), `"c a"`, `"c zz"`, 1)},
		"a merge of 3":           {"tokenizer.json": strings.Replace(byteTokenizer(), `"c a"`, `"c a t"`, 1)},
		"the pattern":            {"tokenizer.json": strings.Replace(pieceTokenizer, ` {2,}`, `a(?!b)`, 1)},
		"which it does not":      {"tokenizer.json": strings.Replace(pieceTokenizer, `"special_tokens": {"</s>"`, `"special_tokens": {"<s>"`, 1)},
		"not a protobuf":         {"spiece.model": "\xff\xff\xff"},
		"is this a spiece.model": {"spiece.model": string(spiece(nil, "1a"))},
		"no piece </s>":          {"spiece.model": string(spiece(nil, "2<unk>"))},
		"the type 9":             {"spiece.model": string(spiece(nil, "9<unk>"))},
		"is not text":            {"spiece.model": string(spiece(nil, "1\xff"))},
		"normalization table":    {"spiece.model": string(spiece([]byte("abc"), "2<unk>", "3</s>"))},
	} {
		dir := folder(t, files)
		_, err := Import(dir, &ImportOptions{SigLIP: true})
		require.ErrorIs(t, err, ErrVocabulary, name)
		assert.ErrorContains(t, err, dir)
		assert.ErrorContains(t, err, strings.TrimSpace(name))
	}
}

func TestStoreRefuses(t *testing.T) {
	var file bytes.Buffer
	require.NoError(t, smallCLIP(t).Write(&file))
	whole := file.Bytes()
	for n := range len(whole) {
		_, err := Parse(whole[:n:n])
		require.ErrorIs(t, err, ErrVocabulary, "%d bytes", n)
	}
	_, err := Parse(append(bytes.Clone(whole), 0))
	require.ErrorContains(t, err, "bytes too many")
	path := filepath.Join(t.TempDir(), "tokenizer")
	require.NoError(t, os.WriteFile(path, whole[:40], 0o600))
	_, err = Load(path)
	require.ErrorContains(t, err, path)
	_, err = Load(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// smallTokenizers are one of every kind.
func smallTokenizers(tb testing.TB) map[string]Tokenizer {
	tb.Helper()
	all := map[string]Tokenizer{"clip": smallCLIP(tb)}
	for name, o := range map[string]struct {
		files map[string]string
		o     ImportOptions
	}{
		"bpe":      {map[string]string{"tokenizer.json": byteTokenizer()}, ImportOptions{SigLIP: true}},
		"unigram":  {map[string]string{"tokenizer.json": pieceTokenizer}, ImportOptions{Library: OpenCLIP, HFName: true, Clean: "canonicalize"}},
		"sentence": {map[string]string{"spiece.model": string(spiece(nil, "2<unk>", "1▁", "1▁cat", "1a", "1aa", "3</s>", "4[x]"))}, ImportOptions{SigLIP: true}},
	} {
		tok, err := Import(folder(tb, o.files), &o.o)
		require.NoError(tb, err)
		all[name] = tok
	}
	return all
}

// Long words and runs of anything cost no more than long texts do.
func TestSubwordHostileTexts(t *testing.T) {
	n := 1 << 17
	if testing.Short() {
		n = 1 << 14
	}
	for name, tok := range smallTokenizers(t) {
		for _, unit := range []string{"a", "cat", "é", "\u0301", "日", "</s>", "<", "&amp;", "&", "Ã©", "ã€", "Ã ", "Σ", "▁", " "} {
			text := strings.Repeat(unit, n/len(unit))
			if unit == "&amp;" {
				text = "&" + strings.Repeat("amp;", n/4)
			}
			require.NotPanics(t, func() { checkTokens(t, text, tok.Tokenize(text)) }, "%s: %s", name, unit)
		}
	}
}

func FuzzSubword(f *testing.F) {
	for _, s := range []string{"A cat's &amp;lt; dog", "</s>cat<eos>", "cafÃ© â€œ ﬁ １", "Σ日本\u0301 ▁ \xff", "à \u00a0Ã "} {
		f.Add(s)
	}
	all := smallTokenizers(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range all {
			toks := tok.Tokenize(text)
			checkTokens(t, text, toks)
			for _, x := range toks {
				if x.ID < 0 || x.ID >= tok.Size() {
					t.Fatalf("id %d", x.ID)
				}
			}
			if s := Encode(tok, text, 10); len(s.Tokens) > 10 || s.Pieces[1]-s.Pieces[0]+s.Cut != len(toks) {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(byteTokenizer()))
	f.Add([]byte(pieceTokenizer))
	f.Add(spiece(nil, "2<unk>", "1▁", "3</s>"))
	table := binary.LittleEndian.AppendUint32(nil, 8)
	f.Add(spiece(append(table, "\x00\x04\x00\x00a\x00\x00\x80x\x00"...), "2<unk>", "3</s>"))
	var file bytes.Buffer
	require.NoError(f, smallCLIP(f).Write(&file))
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		try := func(r recipe, v lexicon, err error) {
			if err == nil {
				var s *Subword
				if s, err = newSubword(r, v); err == nil {
					checkTokens(t, "A cat, é日 </s>", s.Tokenize("A cat, é日 </s>"))
				}
			}
			if err != nil {
				require.ErrorIs(t, err, ErrVocabulary)
			}
		}
		r, v, err := parseTokenizerJSON(b)
		try(r, v, err)
		for _, siglip := range []bool{false, true} {
			r, v, err = (&importer{}).sentencePiece(b, nil, siglip)
			try(r, v, err)
		}
		if s, err := Parse(b); err == nil {
			s.Tokenize("A cat, é日 </s>")
		} else {
			require.ErrorIs(t, err, ErrVocabulary)
		}
	})
}
