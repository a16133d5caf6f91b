package model

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGrouped(t *testing.T) {
	list := func(s string) (out []Named) {
		for _, n := range strings.Fields(s) {
			out = append(out, Named{n, []int{2}})
		}
		return out
	}
	for _, c := range []struct{ names, want string }{
		{"", ""},
		{"a.b.c", "a.b.c [2]"},
		{"a.b.c a.b.d", "a.b.c [2]; a.b.d [2]"},
		{"a a.b", "a [2]; a.b [2]"},
		{"same same", "same*: 2"},
		{"x.l.0.w x.l.0.b x.l.1.w x.l.1.b x.l.2.w x.l.2.b x.l.3.w x.l.3.b x.n.w y", "x.l.0.*: 2; x.l.1.*: 2; x.l.2.*: 2; x.l.3.*: 2; x.n.w [2]; y [2]"},
		{"p.1 p.2 p.3 p.4 p.5 p.6 p.7 p.8 p.9", "p.*: 9"},
		{"p.1 p.2 p.3 p.4 p.5 p.6 p.7 p.8", "p.1 [2]; p.2 [2]; p.3 [2]; p.4 [2]; p.5 [2]; p.6 [2]; p.7 [2]; p.8 [2]"},
		{"1 2 3 4 5 6 7 8 9", "1 [2]; 2 [2]; 3 [2]; 4 [2]; 5 [2]; 6 [2]; 7 [2]; 8 [2]; 9 [2]"},
	} {
		require.Equal(t, c.want, strings.Join(grouped(list(c.names)), "; "), c.names)
	}
	require.Equal(t, []string{"a", "b"}, grouped([]Named{{Name: "a"}, {Name: "b"}}))
}
