package serve

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
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
		var got []string
		for _, p := range parseQuery(tt.query) {
			words := strings.Join(strings.Fields(p.Text), " ")
			if p.Exclude {
				words = "− " + words
			}
			got = append(got, words)
			for i, r := range p.Text {
				if r != ' ' {
					assert.Equal(t, tt.query[i:i+utf8.RuneLen(r)], string(r), "%q: bytes of a part are those of the query", tt.query)
				}
			}
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.query, diff)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"a beach without people", `-"x y" z`, "no, no but no", "− –a", "without \xff", "-\"", "w/o a b or c and the d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, p := range parseQuery(q) {
			if len(p.Text) > len(q) || strings.TrimSpace(p.Text) == "" {
				t.Fatalf("%q: part %q", q, p.Text)
			}
			for j := range len(p.Text) {
				if p.Text[j] != ' ' && p.Text[j] != q[j] {
					t.Fatalf("%q: part %q moved byte %d", q, p.Text, j)
				}
			}
		}
	})
}
