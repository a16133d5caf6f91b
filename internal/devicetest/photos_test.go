package devicetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/regions"
	"github.com/aladin-go/aladin/internal/shareddata"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// devPhotos are photos of Flickr8k's dev split, each with a caption.
func devPhotos(t testing.TB, n int) (files, captions []string) {
	t.Helper()
	dir := shareddata.Dir(t, "flickr8k", "dev")
	table, err := os.ReadFile(shareddata.Dir(t, "flickr8k", "dev.tsv"))
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		cols := strings.Split(strings.TrimSpace(line), "\t")
		require.Len(t, cols, 3)
		if cols[1] == "0" && len(files) < n {
			files, captions = append(files, filepath.Join(dir, cols[0])), append(captions, cols[2])
		}
	}
	require.Len(t, files, n)
	return files, captions
}

// Real photos and captions, though of a model that knows nothing of them: the same hits.
func TestPhotos(t *testing.T) {
	files, texts := devPhotos(t, 48)
	p := open(t, testmodel.New(t, testmodel.Options{}))
	path := filepath.Join(t.TempDir(), "dev.aladin")
	b, err := index.NewBuilder(path, nil)
	require.NoError(t, err)
	defer b.Close()
	var ins []aladin.Input
	for _, f := range files {
		ins = append(ins, aladin.ImageFile(f))
	}
	for i, e := range p.encode(t, ins...) {
		require.NoError(t, b.Add(t.Context(), index.Item{ID: filepath.Base(files[i]), Encoding: e}))
	}
	require.NoError(t, b.Finish(t.Context()))
	ix, err := index.Open(path, nil)
	require.NoError(t, err)
	defer ix.Close()
	for _, text := range texts[:15] {
		q, err := p.cpu.Encode(t.Context(), aladin.Text(text))
		require.NoError(t, err)
		sameHits(t, p, ix, q)
	}
}

// The extractor of photos, whose networks are others', gives the same regions.
func TestExtractor(t *testing.T) {
	need(t)
	if testing.Short() {
		t.Skip("minutes on a software adapter: without -short")
	}
	files, _ := devPhotos(t, 2)
	cfg, err := regions.Preset("mobilenet-yolox")
	require.NoError(t, err)
	var pics []*picture.Picture
	for _, f := range files {
		pic, err := picture.DecodeFile(t.Context(), f, nil)
		require.NoError(t, err)
		pics = append(pics, pic)
	}
	extract := func(device string) [][]float32 {
		x, err := regions.Open(cfg, shareddata.Dir(t, "models"), &ort.Options{Device: device})
		require.NoError(t, err)
		defer x.Close()
		sets, err := x.Extract(t.Context(), pics)
		require.NoError(t, err)
		var out [][]float32
		for _, s := range sets {
			out = append(out, s.Features)
		}
		return out
	}
	want, got := extract(ort.CPU), extract(device())
	for i := range want {
		require.Len(t, got[i], len(want[i]))
		assert.InDeltaSlice(t, want[i], got[i], 5e-3)
	}
}
