package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/aladin-go/aladin/internal/shareddata"
)

func bertVocab(tb testing.TB) *WordPiece {
	tb.Helper()
	wp, err := LoadWordPiece(filepath.Join(shareddata.Dir(tb, "models"), "bert-base-uncased-vocab.txt"), nil)
	require.NoError(tb, err)
	return wp
}

func TestWordPieceLikeTheOriginal(t *testing.T) {
	dir := shareddata.Dir(t, "aladin-tiny")
	raw, err := os.ReadFile(filepath.Join(dir, "tokenizer_cases.json"))
	require.NoError(t, err)
	var cases []struct {
		Text string  `json:"text"`
		Tiny []int64 `json:"tiny_ids"`
		Bert []int64 `json:"bert_ids"`
	}
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.Len(t, cases, 98)

	tiny, err := LoadWordPiece(filepath.Join(dir, "vinvl", "vocab.txt"), nil)
	require.NoError(t, err)
	require.Equal(t, []int{0, 6, 7, 8, 9, 300}, []int{tiny.PAD(), tiny.UNK(), tiny.CLS(), tiny.SEP(), tiny.MASK(), tiny.Size()})
	bert := bertVocab(t)
	require.Equal(t, []int{0, 100, 101, 102, 103, 30522}, []int{bert.PAD(), bert.UNK(), bert.CLS(), bert.SEP(), bert.MASK(), bert.Size()})

	for _, c := range cases {
		if diff := cmp.Diff(c.Tiny, IDs(tiny.Tokenize(c.Text))); diff != "" {
			t.Errorf("tiny vocabulary, %q (-want +got):\n%s", c.Text, diff)
		}
		if diff := cmp.Diff(c.Bert, IDs(bert.Tokenize(c.Text))); diff != "" {
			t.Errorf("BERT vocabulary, %q (-want +got):\n%s", c.Text, diff)
		}
	}
}

// A small vocabulary whose pieces are easy to follow.
func smallVocab(tb testing.TB) *WordPiece {
	tb.Helper()
	wp, err := NewWordPiece([]string{
		"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
		"a", "dog", "play", "##ing", "##s", "cafe", "naive", "odos", "οδος", "οδοσ", "ᄋ", "##ᅡ", "##ᆫ", "犬", "!", "-", "i", "##stanbul", "don", "'", "t", "CLS", "[", "]",
	}, nil)
	require.NoError(tb, err)
	return wp
}

func TestWordPieceOffsets(t *testing.T) {
	wp := smallVocab(t)
	for _, c := range []struct {
		text string
		want string // piece=source text, or =? when the source is not valid
	}{
		{"A dog Playing!", "a=A dog=dog play=Play ##ing=ing !=!"},
		{"Café, NAÏVE", "cafe=Café [UNK]=, naive=NAÏVE"},
		{"cafe\u0301s", "cafe=cafe\u0301 ##s=s"},
		{"do\x00g \u200bdog\u200b", "dog=do\x00g dog=dog"},
		{"ΟΔΟΣ ΟΔΟΣ. ΟΔΟΣΣ", "οδος=ΟΔΟΣ οδος=ΟΔΟΣ [UNK]=. [UNK]=ΟΔΟΣΣ"},
		{"안", "ᄋ=안 ##ᅡ=안 ##ᆫ=안"},
		{"dog犬dog", "dog=dog 犬=犬 dog=dog"},
		{"İstanbul", "i=İ ##stanbul=stanbul"},
		{"don't", "don=don '=' t=t"},
		{"dog[SEP]dogs", "dog=dog [SEP]=[SEP] dog=dog ##s=s"},
		{"[C\x00LS]", "[=[ CLS=C\x00LS ]=]"},
		{"a" + strings.Repeat("x", 200) + " dog", "[UNK]=a" + strings.Repeat("x", 200) + " dog=dog"},
		{"\xff\xfedog\x80s", "dog=dog ##s=s"},
		{"\u0301 \u0301dog", "dog=dog"},
		{"", ""},
	} {
		var got []string
		for _, tok := range wp.Tokenize(c.text) {
			got = append(got, wp.Piece(tok.ID)+"="+c.text[tok.Start:tok.End])
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestWords(t *testing.T) {
	wp := smallVocab(t)
	text := "A dog Playing, dogs don't"
	toks := wp.Tokenize(text)
	var got []string
	for _, w := range Words(text, toks) {
		got = append(got, fmt.Sprintf("%s %d:%d", w.Text, w.First, w.Last))
	}
	require.Equal(t, []string{"A 0:1", "dog 1:2", "Playing 2:4", ", 4:5", "dogs 5:7", "don 7:8", "' 8:9", "t 9:10"}, got)
	require.Equal(t, "Play", Words(text, toks[:3])[2].Text, "a cut word ends with its last piece")
	framed := append([]Token{{ID: wp.CLS()}}, append(toks, Token{ID: wp.SEP(), Start: len(text), End: len(text)})...)
	require.Len(t, Words(text, framed), 8, "what covers no text is no word")
	require.Equal(t, 1, Words(text, framed)[0].First)
	require.Empty(t, Words("", nil))
	require.NotPanics(t, func() { Words("short", toks) }, "tokens of another text")
}

func TestVocabularyErrors(t *testing.T) {
	_, err := LoadWordPiece(filepath.Join(t.TempDir(), "none"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	for name, text := range map[string]string{"empty": "", "no unk": "[PAD]\na\n", "binary": "[UNK]\n\xff\n", "twice": "[UNK]\na\nb\na\n"} {
		_, err := ReadWordPiece(strings.NewReader(text), nil)
		require.ErrorIs(t, err, ErrVocabulary, name)
	}
	wp, err := ReadWordPiece(strings.NewReader("[UNK]\r\na\r\nb"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"[UNK]", "a", "b"}, wp.Vocab())
	require.Equal(t, -1, wp.PAD())
	require.Empty(t, wp.Piece(99))
	require.Empty(t, wp.Piece(-1))
}

func TestCased(t *testing.T) {
	wp, err := NewWordPiece([]string{"[UNK]", "Dog", "dog", "é"}, &Options{Cased: true})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3, 0}, IDs(wp.Tokenize("Dog dog é É")))
}

func TestDecompositionIsNFD(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		if want, got := norm.NFD.String(string(r)), string(decompose(nil, r)); want != got {
			t.Fatalf("%U: want %+q, got %+q", r, want, got)
		}
	}
}

// Hostile texts must be linear: these would take minutes otherwise.
func TestHostileTexts(t *testing.T) {
	wp := smallVocab(t)
	const n = 1 << 18
	for name, unit := range map[string]string{
		"one word": "a", "words": "dog ", "brackets": "[", "specials": "[SEP]", "marks": "\u0301",
		"spacing marks": "\u302f\u302e", "sigmas": "Σ", "ignorable": "'", "CJK": "犬", "invalid": "\xff",
		"sigma and ignorable": "Σ''''''''''''''''", "99 letters": strings.Repeat("dog", 33) + " ",
	} {
		text := strings.Repeat(unit, n/len(unit))
		require.NotPanics(t, func() { checkTokens(t, text, wp.Tokenize(text)) }, name)
	}
	require.Len(t, wp.Tokenize(strings.Repeat("playing ", 10_000)), 20_000)
}

// checkTokens holds for every tokenizer: ranges in the text, in order, words counted from 0.
func checkTokens(tb testing.TB, text string, toks []Token) {
	tb.Helper()
	last, word := 0, 0
	for i, tok := range toks {
		if tok.Start < 0 || tok.End < tok.Start || tok.End > len(text) {
			tb.Fatalf("token %d: range %d:%d in a text of %d bytes", i, tok.Start, tok.End, len(text))
		}
		if tok.Start < last {
			tb.Fatalf("token %d starts at %d, before its predecessor at %d", i, tok.Start, last)
		}
		last = tok.Start
		if tok.Word != word && tok.Word != word+1 {
			tb.Fatalf("token %d: word %d follows word %d", i, tok.Word, word)
		}
		word = tok.Word
	}
}

func FuzzWordPiece(f *testing.F) {
	for _, s := range []string{"A dog playing!", "Café e\u0301", "안녕 İΣ", "[SEP]x[MASK", "\xff\x00\u200b", "\u302e\U0001d165\U00016ff0"} {
		f.Add(s)
	}
	wp := smallVocab(f)
	f.Fuzz(func(t *testing.T, text string) {
		toks := wp.Tokenize(text)
		checkTokens(t, text, toks)
		for _, tok := range toks {
			if tok.ID < 0 || tok.ID >= wp.Size() {
				t.Fatalf("id %d", tok.ID)
			}
		}
		Words(text, toks)
	})
}

func BenchmarkWordPiece(b *testing.B) {
	wp := bertVocab(b)
	text := "A person in a helmet, seen from behind, rides an old scooter slowly along a winding gravel road."
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		wp.Tokenize(text)
	}
}
