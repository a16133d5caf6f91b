package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/scenes"
)

// findObject finds a thing that only one scene shows, by colour and noun.
func findObject(w *world) (scene int, o *scenes.Object) {
	count := map[string]int{}
	name := func(o *scenes.Object) string { return o.Colour.String() + " " + o.Noun() }
	for _, s := range w.scenes {
		for i := range s.Objects {
			count[name(&s.Objects[i])]++
		}
	}
	for i, s := range w.scenes {
		for j := range s.Objects {
			if o := &s.Objects[j]; count[name(o)] == 1 && o.Clear() {
				return i, o
			}
		}
	}
	return -1, nil
}

func decode[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(body, &v), string(body))
	return v
}

func TestSearchFindsAndExplains(t *testing.T) {
	w := newWorld(t, 24, 64, 2)
	s := w.server(t, Options{})
	i, o := findObject(w)
	require.GreaterOrEqual(t, i, 0)
	rec := get(s, "/api/search?"+url.Values{"q": {"a " + o.Colour.String() + " " + o.Noun()}, "k": {"5"}, "kind": {"image"}}.Encode())
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	out := decode[searchResponse](t, rec.Body.Bytes())
	require.NotEmpty(t, out.Hits)
	h := out.Hits[0]
	assert.Equal(t, w.id(i), h.ID)
	require.Len(t, h.Words, 2)
	for _, m := range h.Words {
		assert.InDeltaSlice(t, o.Box[:], m.Box[:], 1e-4, m.Word)
	}
	assert.Len(t, out.Parts[0].Words, 3)
}

// Words that the model does not know are named: something is found all the same.
func TestSearchWarns(t *testing.T) {
	w := newWorld(t, 8, 64, 2)
	s := w.server(t, Options{})
	for q, want := range map[string][]string{
		"a ball":           nil,
		"a 犬":              {`The model does not know the word "犬".`},
		"a 犬 or a 猫":       {`The model does not know the words "犬", "猫".`},
		"犬 猫":              {`The model knows no word of "犬 猫": what is found means nothing.`},
		"a dgo":            {`The model never learned the word "dgo". Is "dog" meant?`},
		"dgo":              {`The model never learned the word "dgo". Is "dog" meant?`},
		"a ball without 犬": {`The model knows no word of "犬": what is found means nothing.`},
	} {
		rec := get(s, "/api/search?"+url.Values{"q": {q}}.Encode())
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		out := decode[searchResponse](t, rec.Body.Bytes())
		assert.Equal(t, want, out.Warnings, q)
		assert.NotEmpty(t, out.Hits, q)
		assert.Equal(t, want != nil, out.Unknown != nil, q)
		for _, u := range out.Unknown {
			assert.Equal(t, u.Word, q[u.Start:u.End], "in the typed query")
			assert.Equal(t, u.Word == "dgo", u.Nearest == "dog")
		}
	}
}

// An offset leaves out what earlier answers had.
func TestSearchOffset(t *testing.T) {
	w := newWorld(t, 12, 64, 0)
	s := w.server(t, Options{})
	search := func(k, offset int) []hitAnswer {
		rec := get(s, fmt.Sprintf("/api/search?q=a+red+ball&k=%d&offset=%d", k, offset))
		require.Equal(t, http.StatusOK, rec.Code, rec.Body)
		return decode[searchResponse](t, rec.Body.Bytes()).Hits
	}
	all := search(12, 0)
	require.Len(t, all, 12)
	assert.Equal(t, all[:5], search(5, 0))
	assert.Equal(t, all[5:10], search(5, 5))
	assert.Equal(t, all[10:], search(5, 10))
	assert.Empty(t, search(5, 20))
}
