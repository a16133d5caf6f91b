package indexcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/serve"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// scored is what the ways to search have to agree on.
type scored struct {
	ID                     string
	Match, Align, Coverage float32
}

// asked is a query as each way takes it.
type asked struct {
	query   *aladin.Query
	options aladin.SearchOptions
	request map[string]any // of the API
	photo   string         // sent with it
	args    []string       // of the command; nil if it cannot ask that
}

// The library, the command and the API give the same hits with the same scores, whatever is asked.
func TestWaysToSearchAgree(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := t.TempDir()
	model, file := filepath.Join(dir, "model"), filepath.Join(dir, "scenes.aladin")
	require.NoError(t, testmodel.Write(model, testmodel.Options{}))
	photos := buildMixed(t, model, file, dir)
	c, err := aladin.Open(model, file, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	srv, err := serve.New(t.Context(), c, file, nil)
	require.NoError(t, err)
	defer srv.Close()

	rng := rand.New(rand.NewPCG(13, 1))
	commands := 0
	for n := range 200 {
		q := randomQuery(t, rng, photos, model, file)
		want := bySDK(t, c, q)
		what, err := json.Marshal(q.request)
		require.NoError(t, err)
		require.Equal(t, want, byAPI(t, srv, q), "query %d: API: %s", n, what)
		if q.args != nil {
			commands++
			require.Equal(t, want, byCommand(t, q), "query %d: %q", n, q.args)
		}
	}
	require.Greater(t, commands, 50)
}

// buildMixed indexes scenes and some captions, and leaves photos in dir that the index does not hold.
func buildMixed(t *testing.T, model, file, dir string) (photos []string) {
	m, err := aladin.OpenModel(model, nil)
	require.NoError(t, err)
	defer m.Close()
	b, err := index.NewBuilder(file, nil)
	require.NoError(t, err)
	defer b.Close()
	gen := scenes.New(7, nil)
	add := func(id string, in aladin.Input, tags ...string) {
		e, err := m.Encode(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, b.Add(t.Context(), index.Item{ID: id, Encoding: e, Tags: tags}))
	}
	for i := range 30 {
		s := gen.Scene(i)
		add(s.ID, aladin.Image(s.Image), fmt.Sprint("odd ", i%2), fmt.Sprint("third ", i%3))
		if i%3 == 0 {
			add(s.ID+"#0", aladin.Text(s.Captions[0].Text), "text")
		}
	}
	require.NoError(t, b.Finish(t.Context()))
	require.NoError(t, scenes.New(8, nil).WriteDir(t.Context(), filepath.Join(dir, "photos"), 0, 3, nil))
	photos, err = filepath.Glob(filepath.Join(dir, "photos", "*.png"))
	require.NoError(t, err)
	require.NotEmpty(t, photos)
	return photos
}

func randomQuery(t *testing.T, rng *rand.Rand, photos []string, model, file string) *asked {
	pick := func(all ...string) string { return all[rng.IntN(len(all))] }
	q := &asked{query: &aladin.Query{}, request: map[string]any{}, args: []string{}}
	var parts []map[string]any
	if rng.IntN(4) > 0 {
		text := pick("a red ball", "two cubes on grass", "a big green star and a box", "a ball") +
			pick("", "", " without cubes", " -star", ` -"green box"`, " without a star or boxes, at night")
		parsed, err := aladin.ParseQuery(text)
		require.NoError(t, err)
		q.query, q.request["query"], q.args = parsed, text, append(q.args, text)
		if rng.IntN(4) == 0 {
			w := aladin.WordWeight{Start: 2, End: 5, Weight: float32(rng.IntN(5))}
			for i := range q.query.Terms {
				at := q.query.Terms[i].At
				q.query.Terms[i].Words = []aladin.WordWeight{{Start: w.Start - at, End: w.End - at, Weight: w.Weight}}
			}
			q.request["word_weights"] = []any{map[string]any{"start": w.Start, "end": w.End, "weight": w.Weight}}
			q.args = nil
		}
	}
	flags := []string{"search", file, "--model", model, "--json"}
	weight := []float32{1, 0.5, 2, -0.7}[rng.IntN(4)]
	part := func(kind, value string, t aladin.Term) {
		t.Weight = weight
		q.query.Terms = append(q.query.Terms, t)
		parts = append(parts, map[string]any{kind: value, "weight": weight})
	}
	if rng.IntN(3) == 0 {
		q.photo = pick(photos...)
		part("photo", "p", aladin.Term{Input: aladin.ImageFile(q.photo)})
		flags = append(flags, "--image", q.photo, "--weight", fmt.Sprint(weight))
	}
	if rng.IntN(3) == 0 || len(q.query.Terms) == 0 {
		id := scenes.New(7, nil).Scene(rng.IntN(30)).ID
		part("item", id, aladin.Term{Item: id})
		flags = append(flags, "--like", id, "--weight", fmt.Sprint(weight))
	}
	if rng.IntN(4) == 0 {
		text := pick("grass", "a wooden box")
		weight = aladin.Without
		part("text", text, aladin.Term{Input: aladin.Text(text)})
		flags = append(flags, "--without", text)
	}
	o := &q.options
	o.K, o.Candidates = 1+rng.IntN(12), 5+rng.IntN(40)
	q.request["k"], q.request["candidates"] = o.K, o.Candidates
	flags = append(flags, "-k", fmt.Sprint(o.K), "--candidates", fmt.Sprint(o.Candidates))
	if rng.IntN(3) == 0 {
		filter := pick(`"odd 1"`, `"third 2" or text`, `not "third 0"`)
		f, err := index.ParseFilter(filter)
		require.NoError(t, err)
		o.Tags, q.request["tags"] = f, filter
		flags = append(flags, "--filter", filter)
	}
	if rng.IntN(4) == 0 {
		o.Kinds, q.request["kinds"] = []index.Kind{index.Image}, []string{"image"}
		q.args = nil
	}
	if len(parts) > 0 {
		q.request["parts"] = parts
	}
	if q.args != nil {
		q.args = append(flags, q.args...)
	}
	return q
}

func bySDK(t *testing.T, c *aladin.Collection, q *asked) []scored {
	r, err := c.Search(t.Context(), q.query, &q.options)
	require.NoError(t, err)
	out := []scored{}
	for _, h := range r.Hits {
		out = append(out, scored{h.ID, h.Match, h.Align, h.Coverage})
	}
	return out
}

func byAPI(t *testing.T, srv *serve.Server, q *asked) []scored {
	body, err := json.Marshal(q.request)
	require.NoError(t, err)
	kind := "application/json"
	if q.photo != "" {
		var form bytes.Buffer
		m := multipart.NewWriter(&form)
		require.NoError(t, m.WriteField("request", string(body)))
		w, err := m.CreateFormFile("p", "p.png")
		require.NoError(t, err)
		data, err := os.ReadFile(q.photo)
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
		require.NoError(t, m.Close())
		body, kind = form.Bytes(), m.FormDataContentType()
	}
	r := httptest.NewRequest(http.MethodPost, "/api/search", bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	rec := httptest.NewRecorder()
	srv.Handler().ServeHTTP(rec, r)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body)
	return hitsOf(t, rec.Body.Bytes())
}

func byCommand(t *testing.T, q *asked) []scored {
	var out, errs bytes.Buffer
	require.Zero(t, Program.Run(t.Context(), q.args, &out, &errs), "%s: %s", strings.Join(q.args, " "), errs.String())
	return hitsOf(t, out.Bytes())
}

func hitsOf(t *testing.T, answer []byte) []scored {
	var a struct{ Hits []scored }
	require.NoError(t, json.Unmarshal(answer, &a), string(answer))
	return a.Hits
}
