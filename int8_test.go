package aladin_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/train"
)

// tables are pictures of four things on a table: each region's features are a noisy point for its colour and
// one for its shape. A small network learns them in seconds, which it does not of real pictures.
type tables struct {
	sets     []*train.RegionSet
	captions []train.Caption
}

func newTables(n int, seed uint64) *tables {
	colours, shapes := strings.Fields("red green blue yellow black white pink grey"), strings.Fields("ball cube ring star cone book lamp plate")
	rng := rand.New(rand.NewPCG(seed, 1))
	t := &tables{}
	for i := range n {
		set := &train.RegionSet{Dim: 16}
		var words []string
		for k := range 4 {
			colour, shape := rng.IntN(len(colours)), rng.IntN(len(shapes))
			row := make([]float32, set.Dim)
			row[colour], row[8+shape] = 1, 1
			for d := range row {
				row[d] += 0.3 * float32(rng.NormFloat64())
			}
			set.Features = append(set.Features, row...)
			set.Boxes = append(set.Boxes, [4]float32{float32(k) / 4, 0, float32(k+1) / 4, 1})
			if k < 3 { // nobody tells everything
				words = append(words, colours[colour], shapes[shape])
			}
		}
		t.sets = append(t.sets, set)
		t.captions = append(t.captions, train.Caption{Image: i, Text: fmt.Sprintf("a %s %s , a %s %s and a %s %s", words[0], words[1], words[2], words[3], words[4], words[5])})
	}
	return t
}

func (t *tables) Len() int            { return len(t.sets) }
func (t *tables) Dim() int            { return 16 }
func (t *tables) ID(i int) string     { return fmt.Sprint("table-", i) }
func (t *tables) Views() []train.View { return []train.View{{}} }
func (t *tables) Load(_ context.Context, i, _ int) (*train.RegionSet, error) {
	return t.sets[i], nil
}

// trained trains a model on tables for some seconds.
func trained(t *testing.T) string {
	t.Helper()
	cfg, err := train.ParseConfig([]byte(`
encoder: {layers: 2, hidden: 64, heads: 4, ff: 128, mean-pool: true, dropout: 0, attention-dropout: 0, max-caption: 24, max-labels: 4, max-regions: 8, min-count: 1}
model: {tern-layers: 1, dropout: 0}
training: {bs: 32, epochs: 8, lr: 0.003, loss-type: alignment-matching, alignment-mode: MrCOSw, contrast: infonce, temperature: 0.1, alignment-temperature: 0.1, scheduler: cosine, warmup: linear, warmup-period: 20}
`))
	require.NoError(t, err)
	data := newTables(1000, 1)
	set := &train.Data{Images: data, Captions: data.captions}
	m, err := train.NewModel("tables", cfg, set)
	require.NoError(t, err)
	run := &train.Run{Config: cfg, Model: m, Dir: t.TempDir(), Data: set}
	_, err = run.Do(t.Context())
	require.NoError(t, err)
	return filepath.Join(run.Dir, "model")
}

// With products of bytes, a trained model ranks as it does with floats.
func TestInt8Text(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a model")
	}
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := trained(t)
	exact, err := aladin.OpenModel(dir, nil)
	require.NoError(t, err)
	defer exact.Close()
	bytes, err := aladin.OpenModel(dir, &aladin.Options{Int8Text: true})
	require.NoError(t, err)
	defer bytes.Close()
	assert.Equal(t, exact.Fingerprint(), bytes.Fingerprint())

	const n = 200
	unseen := newTables(n, 2)
	var texts, pictures []aladin.Input
	for i, s := range unseen.sets {
		set := &aladin.RegionSet{Features: s.Features, Dim: s.Dim}
		for _, b := range s.Boxes {
			set.Boxes = append(set.Boxes, index.Box(b))
		}
		pictures, texts = append(pictures, aladin.Regions(set)), append(texts, aladin.Text(unseen.captions[i].Text))
	}
	images, err := exact.EncodeBatch(t.Context(), pictures)
	require.NoError(t, err)
	want, err := exact.EncodeBatch(t.Context(), texts)
	require.NoError(t, err)
	got, err := bytes.EncodeBatch(t.Context(), texts)
	require.NoError(t, err)
	turned := 0.0
	for i := range n {
		require.Equal(t, want[i].Words, got[i].Words)
		turned = max(turned, 1-float64(aladin.Match(want[i], got[i])))
	}
	assert.Less(t, turned, 0.01)
	assert.Positive(t, turned, "it is not the same encoder")

	// What else is in a batch does not matter.
	for _, i := range []int{0, 7, 150} {
		one, err := bytes.Encode(t.Context(), texts[i])
		require.NoError(t, err)
		assert.InDelta(t, 1, aladin.Match(one, got[i]), 1e-5)
	}

	for name, score := range map[string]func(captions []*aladin.Encoding) []float32{
		"matching": func(captions []*aladin.Encoding) []float32 {
			var out []float32
			for _, c := range captions {
				for _, x := range images {
					out = append(out, aladin.Match(c, x))
				}
			}
			return out
		},
		"alignment": func(captions []*aladin.Encoding) []float32 {
			out, err := exact.AlignScores(t.Context(), captions, images)
			require.NoError(t, err)
			return out
		},
	} {
		a, b := order(score(want), n), order(score(got), n)
		before, after, shared := recall(a, 10), recall(b, 10), 0.0
		for i := range n {
			for _, j := range b[i][:10] {
				if slices.Contains(a[i][:10], j) {
					shared++
				}
			}
		}
		shared /= 10 * n
		t.Logf("%s: recall at 10 %.3f with floats, %.3f with bytes; %.3f of the first ten are the same; farthest cosine 1 − %.5f", name, before, after, shared, turned)
		assert.Greater(t, before, 0.3, "%s: the model has learned something (chance is 0.05)", name)
		assert.InDelta(t, before, after, 0.021, name)
		assert.Greater(t, shared, 0.95, name)
	}
}

// order ranks images by score for each caption.
func order(scores []float32, n int) [][]int {
	out := make([][]int, len(scores)/n)
	for i := range out {
		row := scores[i*n : (i+1)*n]
		for j := range n {
			out[i] = append(out[i], j)
		}
		slices.SortStableFunc(out[i], func(a, b int) int { return cmp.Compare(row[b], row[a]) })
	}
	return out
}

// recall is the share of captions whose own image is among the first k.
func recall(order [][]int, k int) float64 {
	found := 0.0
	for i, ids := range order {
		if slices.Contains(ids[:k], i) {
			found++
		}
	}
	return found / float64(len(order))
}

// A model whose text encoder is damaged says so, not that bytes are at fault.
func TestInt8TextErrors(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	dir := testmodel.New(t, testmodel.Options{})
	file := filepath.Join(dir, "text.onnx")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(file, data, 0o600))
	m, err := aladin.OpenModel(dir, &aladin.Options{Int8Text: true})
	require.NoError(t, err)
	defer m.Close()
	_, err = m.Encode(t.Context(), aladin.Text("a ball"))
	require.ErrorIs(t, err, aladin.ErrCorrupt)

	_, err = aladin.OpenModel(dir, &aladin.Options{Int8Text: true, Threads: -1})
	require.Error(t, err)
	auto, err := aladin.OpenModel(testmodel.New(t, testmodel.Options{}), &aladin.Options{Int8Text: true, Device: "auto"})
	require.NoError(t, err)
	defer auto.Close()
	_, err = auto.Encode(t.Context(), aladin.Text("a ball"))
	require.NoError(t, err)
}

// Graphs that are kept encode what others do, the first time and later, in floats and in bytes.
func TestKeepGraphs(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	lib, err := ort.Library()
	require.NoError(t, err)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := testmodel.New(t, testmodel.Options{Hidden: 256})
	encode := func(o aladin.Options) *aladin.Encoding {
		o.ONNXRuntime = lib
		m, err := aladin.OpenModel(dir, &o)
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close()) }()
		e, err := m.Encode(t.Context(), aladin.Text("a red ball on the grass"))
		require.NoError(t, err)
		return e
	}
	for n, int8 := range []bool{false, true} {
		want := encode(aladin.Options{Int8Text: int8})
		for range 2 {
			require.Equal(t, want, encode(aladin.Options{Int8Text: int8, KeepGraphs: true}))
		}
		cache, err := os.UserCacheDir()
		require.NoError(t, err)
		kept, err := os.ReadDir(filepath.Join(cache, "aladin", "graphs"))
		require.NoError(t, err)
		require.Len(t, kept, n+1)
	}
}
