package tokenizer

import (
	"bytes"
	"compress/gzip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

const smallMerges = "#version: 0.2\nc a\nca t</w>\nd o\ndo g</w>\nca t\n' s</w>\na a\naa a</w>\n"

func smallCLIP(tb testing.TB) *CLIP {
	tb.Helper()
	c, err := ReadCLIP(strings.NewReader(smallMerges))
	require.NoError(tb, err)
	return c
}

func TestCLIPMerges(t *testing.T) {
	c := smallCLIP(t)
	var buf bytes.Buffer
	require.NoError(t, c.WriteMerges(&buf))
	require.Equal(t, smallMerges, buf.String())
	require.Equal(t, 512+8+2, c.Size())
	for _, tc := range []struct{ text, want string }{
		{"A Cat", "a</w>=A cat</w>=Cat"},
		{"  cat's\t\n dogs ", "cat</w>=cat 's</w>='s do=do g=g s</w>=s"},
		{"cats", "cat=cat s</w>=s"},
		{"aaa aaaa", "aaa</w>=aaa aa=aa a=a a</w>=a"},
		{"cat &amp;amp; dog", "cat</w>=cat &</w>=&amp;amp; dog</w>=dog"},
		{"&ampcat", "&</w>=&amp cat</w>=cat"},
		{"&#99;at&#x64;og", "cat=&#99;at dog</w>=&#x64;og"},
		{"12", "1</w>=1 2</w>=2"},
		{"<|endoftext|>cat<|STARTOFTEXT|>", "<|endoftext|>=<|endoftext|> cat</w>=cat <|startoftext|>=<|STARTOFTEXT|>"},
		{"é", "Ã=é ©</w>=é"},
		{"", ""},
	} {
		var got []string
		for _, tok := range c.Tokenize(tc.text) {
			got = append(got, c.Piece(tok.ID)+"="+tc.text[tok.Start:tok.End])
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.text, diff)
		}
	}
}

func TestCLIPEncode(t *testing.T) {
	c := smallCLIP(t)
	toks := c.Encode("cat dog", 0)
	require.Equal(t, []int64{int64(c.Start()), 513, 515, int64(c.End())}, IDs(toks))
	long := strings.Repeat("cat ", 200)
	toks = c.Encode(long, 0)
	require.Len(t, toks, CLIPLength)
	require.Equal(t, c.End(), toks[76].ID)
	require.Len(t, Words(long, toks[1:76]), 75)
	require.Len(t, c.Encode("cat", 1), 2, "start and end always stand")
}

func TestCLIPMergesFile(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte(smallMerges))
	require.NoError(t, w.Close())
	c, err := ReadCLIP(&z)
	require.NoError(t, err)
	require.Equal(t, smallCLIP(t).list, c.list)

	for name, text := range map[string]string{
		"empty": "", "three words": "a b c\n", "unknown piece": "zz a\n", "bad gzip": "\x1f\x8bxx",
	} {
		_, err := ReadCLIP(strings.NewReader(text))
		require.ErrorIs(t, err, ErrVocabulary, name)
	}
	_, err = LoadCLIP("/nonexistent/merges.txt")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestCLIPKnownFacts needs CLIP's own merges (ALADIN_CLIP_MERGES=bpe_simple_vocab_16e6.txt.gz).
func TestCLIPKnownFacts(t *testing.T) {
	path := os.Getenv("ALADIN_CLIP_MERGES")
	if path == "" {
		t.Skip("ALADIN_CLIP_MERGES does not name CLIP's merges file")
	}
	c, err := LoadCLIP(path)
	require.NoError(t, err)
	require.Equal(t, 49408, c.Size())
	require.Equal(t, []int{49406, 49407}, []int{c.Start(), c.End()})
	for text, want := range map[string][]int64{
		"hello world!":     {3306, 1002, 256},
		"a photo of a cat": {320, 1125, 539, 320, 2368},
		"a diagram":        {320, 22697},
		"a dog":            {320, 1929},
	} {
		require.Equal(t, want, IDs(c.Tokenize(text)), text)
	}
}

func TestCLIPHostileTexts(t *testing.T) {
	c := smallCLIP(t)
	for _, unit := range []string{"a", "cat", "&", "&amp;", "&#", "'s", "<|", " ", "\xff", "Σ'"} {
		text := strings.Repeat(unit, (1<<17)/len(unit))
		require.NotPanics(t, func() { checkTokens(t, text, c.Tokenize(text)) }, unit)
	}
}

func FuzzCLIP(f *testing.F) {
	for _, s := range []string{"a cat's &amp;lt; dog", "<|endoftext|>", "&#x110000; &#1;", "İſ'ſ 12", "\xff\x1c"} {
		f.Add(s)
	}
	c := smallCLIP(f)
	f.Fuzz(func(t *testing.T, text string) {
		toks := c.Tokenize(text)
		checkTokens(t, text, toks)
		for _, tok := range toks {
			if tok.ID < 0 || tok.ID >= c.Size() {
				t.Fatalf("id %d", tok.ID)
			}
		}
		if n := len(c.Encode(text, 10)); n > 10 {
			t.Fatalf("%d tokens", n)
		}
	})
}
