package aladin_test

import (
	"bytes"
	"cmp"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/npy"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/traincmd"
)

// An imported checkpoint, asked through the API, gives the vectors and the scores of the released code.
func TestPublishedModel(t *testing.T) {
	for _, mode := range []string{"MrSw", "MrAVGw", "MwSr", "symm", "sum", "mean", "scan-sentences"} {
		t.Run(mode, func(t *testing.T) { testPublishedModel(t, mode) })
	}
}

func testPublishedModel(t *testing.T, mode string) {
	dir := shareddata.Dir(t, "aladin-tiny")
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	out := filepath.Join(t.TempDir(), "tiny.model")
	var log bytes.Buffer
	require.Zero(t, traincmd.Program.Run(t.Context(), []string{"import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--alignment-mode", mode, "--out", out}, &log, &log), "%s", &log)
	m, err := aladin.OpenModel(out, nil)
	require.NoError(t, err)
	defer m.Close()

	flags := source.Flags{Features: filepath.Join(dir, "coco_ir", "features"), CocoIR: filepath.Join(dir, "coco_ir"), Split: "test", Keys: "test_img_keys.tsv"}
	s, err := flags.Open(t.Context(), &source.Options{MaxRegions: m.Info().MaxRegions, Dim: m.Info().RegionDim})
	require.NoError(t, err)
	defer s.Close()
	require.Len(t, s.Items, 12)
	require.Len(t, s.Captions, 60)
	var ins []aladin.Input
	for i := range s.Items {
		set, err := s.Set(i)
		require.NoError(t, err)
		r := &aladin.RegionSet{Features: set.Features, Dim: set.Dim, Labels: set.Labels, Tags: set.Tags}
		for _, b := range set.Boxes {
			r.Boxes = append(r.Boxes, index.Box(b))
		}
		ins = append(ins, aladin.Regions(r))
	}
	for _, c := range s.Captions {
		ins = append(ins, aladin.Text(c.Text))
	}
	got, err := m.EncodeBatch(t.Context(), ins)
	require.NoError(t, err)
	images, captions := got[:12], got[12:]

	want, err := npy.OpenZ(filepath.Join(dir, "expected.npz"))
	require.NoError(t, err)
	defer want.Close()
	values := func(name string) []float32 {
		a, err := want.Read(name)
		require.NoError(t, err)
		v, err := a.Float32s()
		require.NoError(t, err)
		return v
	}
	for name, side := range map[string][]*aladin.Encoding{"emb/image": images, "emb/caption": captions} {
		var flat []float32
		for _, e := range side {
			flat = append(flat, e.Matching...)
		}
		assert.Less(t, farthest(values(name), flat), 1e-5, name)
	}
	var matching, alignment []float32
	for _, x := range images {
		for _, q := range captions {
			matching = append(matching, aladin.Match(q, x))
			a, err := m.Align(t.Context(), q, x)
			require.NoError(t, err)
			alignment = append(alignment, a.Score)
		}
	}
	assert.Less(t, farthest(values("scores/matching"), matching), 1e-5)
	assert.Less(t, farthest(values("scores_eval71/"+mode), alignment), 1e-4)
	codes, err := m.AlignScores(t.Context(), captions, images)
	require.NoError(t, err)
	turned := slices.Clone(alignment)
	for i := range captions {
		for j := range images {
			turned[j*len(captions)+i] = codes[i*len(images)+j]
		}
	}
	t.Logf("int8 alignment is at most %.4f from float32", farthest(alignment, turned))
	assert.Less(t, farthest(alignment, turned), 0.1)

	// A search ranks by alignment if it can compute it; else it says so.
	file := filepath.Join(t.TempDir(), "tiny.aladin")
	b, err := index.NewBuilder(file, nil)
	require.NoError(t, err)
	for i, x := range images {
		require.NoError(t, b.Add(t.Context(), index.Item{ID: s.Items[i].ID, Encoding: x}))
	}
	require.NoError(t, b.Finish(t.Context()))
	c, err := aladin.Open(out, file, nil)
	require.NoError(t, err)
	defer c.Close()
	r, err := c.Ask(t.Context(), s.Captions[0].Text, &aladin.SearchOptions{K: 12})
	require.NoError(t, err)
	require.Len(t, r.Hits, 12)
	known := mode == "MrSw" || mode == "MrAVGw"
	assert.Equal(t, known, r.Stats.Aligned)
	assert.Equal(t, known, !strings.Contains(strings.Join(r.Warnings, " "), "aligns by "+mode), r.Warnings)
	assert.NotEmpty(t, r.Hits[0].Words)
	if !known {
		assert.True(t, slices.IsSortedFunc(r.Hits, func(a, b aladin.Hit) int { return cmp.Compare(b.Match, a.Match) }))
	}
}

// farthest is the largest difference.
func farthest(want, got []float32) float64 {
	if len(want) != len(got) {
		return math.Inf(1)
	}
	var d float64
	for i := range want {
		d = max(d, math.Abs(float64(want[i]-got[i])))
	}
	return d
}
