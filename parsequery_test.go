package aladin

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

func TestParseQuery(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"a dog on a beach", "a dog on a beach"},
		{"", ""},
		{"  \t ", ""},
		{"a beach without people", "a beach − people"},
		{"a beach WITHOUT People", "a beach − People"},
		{"without people", "− people"},
		{"a dog without a leash on grass", "a dog on grass − leash"},
		{"a beach, no people", "a beach − people"},
		{"a beach but no people", "a beach − people"},
		{"no people", "− people"},
		{"there is no end", "there is no end"}, // not where a clause begins
		{"a street without cars or bikes at night", "a street at night − cars − bikes"},
		{"a street without cars and bikes", "a street − cars − bikes"},
		{"a man without a hat and a dog", "a man and a dog − hat"},
		{"a beach without any people, at dawn", "a beach at dawn − people"},
		{"a dog without", "a dog without"},
		{"a dog without the", "a dog without the"},
		{"a beach -people", "a beach − people"},
		{"-people a beach", "a beach − people"},
		{`a street -"red cars" at night`, "a street at night − red cars"},
		{"a beach −people –dogs.", "a beach − people − dogs"},
		{"a well-known place", "a well-known place"},
		{"yellow - green", "yellow - green"},
		{"a room without red wooden old chairs", "a room chairs − red wooden old"}, // three words at most
		{`-"open`, `-"open`},
		{"été sans fin without Ärger", "été sans fin − Ärger"},
	} {
		q, err := ParseQuery(tt.query)
		if tt.want == "" {
			require.ErrorIs(t, err, ErrNoWords, "%q", tt.query)
			continue
		}
		require.NoError(t, err, "%q", tt.query)
		var got []string
		for _, term := range q.Terms {
			text := term.Input.Text
			words := strings.Join(strings.Fields(text), " ")
			if term.Weight < 0 {
				assert.Equal(t, float32(Without), term.Weight)
				words = "− " + words
			}
			got = append(got, words)
			for i, r := range text {
				if r != ' ' {
					assert.Equal(t, tt.query[term.At+i:term.At+i+utf8.RuneLen(r)], string(r), "%q: bytes of a term are those of the query", tt.query)
				}
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.query, diff)
		}
	}
}

func TestParseQueryLimits(t *testing.T) {
	for q, want := range map[string]error{
		strings.Repeat("a", maxQueryBytes+1):             index.ErrInvalid,
		strings.Repeat("-a ", maxQueryTerms+1):           index.ErrInvalid,
		"a \xff":                                         index.ErrInvalid,
		"\u200b":                                         ErrNoWords,
		"\u200b -\u200b":                                 ErrNoWords,
		"-\" \"":                                         ErrNoWords,
		strings.Repeat("-", 100):                         ErrNoWords,
		strings.Repeat("a ", maxQueryBytes/2):            nil,
		strings.Repeat("-a ", maxQueryTerms):             nil,
		"without a or " + strings.Repeat("the or ", 500): nil,
	} {
		_, err := ParseQuery(q)
		require.ErrorIs(t, err, want, "%.20q", q)
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"a beach without people", `-"x y" z`, "no, no but no", "− –a", "without \xff", "-\"", "w/o a b or c and the d", "-\" \"\x86", "\u200b", "-\"\"a -b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuery(s)
		if err != nil {
			if !errors.Is(err, ErrNoWords) && !errors.Is(err, index.ErrInvalid) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		for _, term := range q.Terms {
			text := term.Input.Text
			if len(text) > len(s)-term.At || !hasWord(text) || !utf8.ValidString(text) {
				t.Fatalf("%q: term %q", s, text)
			}
			for j := range len(text) {
				if text[j] != ' ' && text[j] != s[term.At+j] {
					t.Fatalf("%q: term %q moved byte %d", s, text, j)
				}
			}
		}
	})
}
