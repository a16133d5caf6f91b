package aladin

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

var update = flag.Bool("update", false, "write the compat model if it is missing")

// compatDir holds a model (matching and alignment, from patches) and an index, made by version 1, with what they
// gave then.
const compatDir = "testdata/compat/v1-model"

// compatExpected is what version 1 made of the texts and the picture, and what it found.
type compatExpected struct {
	Fingerprint string
	Texts       []compatText
	Picture     *Encoding
}

type compatText struct {
	Text     string
	Encoding *Encoding
	Hits     []compatHit
}

type compatHit struct {
	ID           string
	Match, Align float32
	Words        []index.WordMatch
}

const (
	compatItems = 12
	compatFloor = "floor 1"
)

func compatFile(name string) string { return filepath.Join(compatDir, name) }

// A model and an index of an earlier version open, encode and search as they did.
func TestCompat(t *testing.T) {
	if !ort.Available() {
		_, err := ort.Library()
		t.Skip("needs ONNX Runtime: ", err)
	}
	if _, err := os.Stat(compatDir); os.IsNotExist(err) && *update {
		writeCompat(t)
	}
	data, err := os.ReadFile(compatFile("expected.json"))
	require.NoError(t, err)
	var want compatExpected
	require.NoError(t, json.Unmarshal(data, &want))

	m, err := OpenModel(compatFile("tiny.model"), &Options{Threads: 2})
	require.NoError(t, err)
	defer m.Close()
	require.Equal(t, want.Fingerprint, m.Fingerprint())
	ix, err := index.Open(compatFile("scenes.aladin"), &index.Options{Model: want.Fingerprint})
	require.NoError(t, err)
	defer ix.Close()
	require.Equal(t, compatItems, ix.Len())

	picture, err := m.Encode(t.Context(), ImageFile(compatFile("picture.png")))
	require.NoError(t, err)
	near(t, want.Picture, picture)
	about := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(index.WordMatch{}, "Token"), cmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 2e-3 })}
	for _, c := range want.Texts {
		q, err := m.Encode(t.Context(), Text(c.Text))
		require.NoError(t, err)
		near(t, c.Encoding, q)
		require.Empty(t, cmp.Diff(c.Hits, compatSearch(t, m, ix, q), about), "(-want +got)")
	}
}

// compatSearch asks twice: for everything, and for the pictures of one tag.
func compatSearch(t *testing.T, m *Model, ix *index.Index, q *Encoding) []compatHit {
	var out []compatHit
	for _, o := range []SearchOptions{{K: 4}, {K: 2, Candidates: 6, Tags: index.Tag(compatFloor), Exclude: []string{"000000"}}} {
		hits, err := Search(t.Context(), m, ix, q, &o)
		require.NoError(t, err)
		for _, h := range hits {
			out = append(out, compatHit{h.ID, h.Match, h.Align, h.Words})
		}
	}
	return out
}

func writeCompat(t *testing.T) {
	require.NoError(t, os.MkdirAll(compatDir, 0o777))
	require.NoError(t, testmodel.Write(compatFile("tiny.model"), testmodel.Options{Seed: 5, Hidden: 8}))
	m, err := OpenModel(compatFile("tiny.model"), &Options{Threads: 2})
	require.NoError(t, err)
	defer m.Close()
	b, err := index.NewBuilder(compatFile("scenes.aladin"), nil)
	require.NoError(t, err)
	defer b.Close()
	gen := scenes.New(7, nil)
	for i := range compatItems {
		s := gen.Scene(i)
		e, err := m.Encode(t.Context(), Image(s.Image))
		require.NoError(t, err)
		require.NoError(t, b.Add(context.Background(), index.Item{ID: s.ID, Encoding: e, Tags: []string{fmt.Sprint("floor ", i%2)}, Meta: json.RawMessage(fmt.Sprint(i))}))
	}
	require.NoError(t, b.Finish(context.Background()))
	ix, err := index.Open(compatFile("scenes.aladin"), nil)
	require.NoError(t, err)
	defer ix.Close()

	f, err := os.Create(compatFile("picture.png"))
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, gen.Scene(3).Image))
	require.NoError(t, f.Close())
	want := compatExpected{Fingerprint: m.Fingerprint()}
	want.Picture, err = m.Encode(t.Context(), ImageFile(compatFile("picture.png")))
	require.NoError(t, err)
	for i := range 3 {
		c := compatText{Text: gen.Scene(i).Captions[0].Text}
		c.Encoding, err = m.Encode(t.Context(), Text(c.Text))
		require.NoError(t, err)
		c.Hits = compatSearch(t, m, ix, c.Encoding)
		want.Texts = append(want.Texts, c)
	}
	data, err := json.Marshal(want)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(compatFile("expected.json"), data, 0o666))
}
