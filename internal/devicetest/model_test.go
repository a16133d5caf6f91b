package devicetest

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/models"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// pair is a model on the CPU and on the device.
type pair struct{ cpu, device *aladin.Model }

func open(t *testing.T, dir string) pair {
	t.Helper()
	need(t)
	var p pair
	for _, c := range []struct {
		m      **aladin.Model
		device string
	}{{&p.cpu, ort.CPU}, {&p.device, device()}} {
		m, err := aladin.OpenModel(dir, &aladin.Options{Device: c.device, CacheTexts: -1, AlignOnDevice: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		*c.m = m
	}
	return p
}

// encode encodes inputs on both, and holds one against the other.
func (p pair) encode(t *testing.T, ins ...aladin.Input) []*aladin.Encoding {
	t.Helper()
	want, err := p.cpu.EncodeBatch(t.Context(), ins)
	require.NoError(t, err)
	got, err := p.device.EncodeBatch(t.Context(), ins)
	require.NoError(t, err)
	for i := range want {
		assert.InDeltaSlice(t, want[i].Matching, got[i].Matching, 1e-4, "vector %d", i)
		assert.InDeltaSlice(t, want[i].Tokens, got[i].Tokens, 1e-4, "tokens %d", i)
		assert.InDeltaSlice(t, want[i].Weights, got[i].Weights, 1e-4, "weights %d", i)
	}
	return want
}

// Texts and pictures are encoded, aligned and found on the device as on the CPU.
func TestModel(t *testing.T) {
	p := open(t, testmodel.New(t, testmodel.Options{Layers: 2}))
	on, err := p.device.Device()
	require.NoError(t, err)
	t.Log("device: ", on)
	gen := scenes.New(7, nil)
	var texts, pictures []aladin.Input
	for i := range 12 {
		s := gen.Scene(i)
		texts, pictures = append(texts, aladin.Text(s.Captions[0].Text)), append(pictures, aladin.Image(s.Image))
	}
	captions, images := p.encode(t, texts...), p.encode(t, pictures...)

	want, err := p.cpu.AlignScores(t.Context(), captions, images)
	require.NoError(t, err)
	got, err := p.device.AlignScores(t.Context(), captions, images)
	require.NoError(t, err)
	assert.InDeltaSlice(t, want, got, 1e-4)

	file := filepath.Join(t.TempDir(), "scenes.aladin")
	b, err := index.NewBuilder(file, nil)
	require.NoError(t, err)
	defer b.Close()
	for i, e := range images {
		require.NoError(t, b.Add(t.Context(), index.Item{ID: fmt.Sprint("scene ", i), Encoding: e}))
	}
	require.NoError(t, b.Finish(t.Context()))
	ix, err := index.Open(file, nil)
	require.NoError(t, err)
	defer ix.Close()
	for _, q := range captions {
		sameHits(t, p, ix, q)
	}

	// Calls at the same time share the device.
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for k := range 4 {
				in, want := texts[i+k], captions[i+k]
				if i%2 == 0 {
					in, want = pictures[i+k], images[i+k]
				}
				got, err := p.device.Encode(t.Context(), in)
				if assert.NoError(t, err) {
					assert.InDeltaSlice(t, want.Matching, got.Matching, 1e-4)
				}
				hits, err := aladin.Search(t.Context(), p.device, ix, captions[i], nil)
				assert.NoError(t, err)
				assert.Len(t, hits, 10)
			}
		})
	}
	wg.Wait()
}

// sameHits searches with both.
func sameHits(t *testing.T, p pair, ix index.Searcher, q *aladin.Encoding) {
	t.Helper()
	var stats index.SearchStats
	want, err := aladin.Search(t.Context(), p.cpu, ix, q, nil)
	require.NoError(t, err)
	got, err := aladin.Search(t.Context(), p.device, ix, q, &aladin.SearchOptions{Stats: &stats})
	require.NoError(t, err)
	require.Len(t, got, len(want))
	if device() != ort.CPU {
		assert.Equal(t, stats.Candidates, stats.OnDevice, "all candidates are aligned on the device")
	}
	for i := range want {
		assert.InDelta(t, want[i].Align, got[i].Align, 1e-3)
		if i+1 < len(want) && want[i].Align-want[i+1].Align > 1e-4 && (i == 0 || want[i-1].Align-want[i].Align > 1e-4) {
			assert.Equal(t, want[i].ID, got[i].ID, "%q, hit %d", q.Text, i)
			assert.Equal(t, want[i].Words, got[i].Words)
		}
	}
}

// A model of the CLIP family, whose towers read pixels.
func TestTowers(t *testing.T) {
	need(t)
	folder, dir := t.TempDir(), filepath.Join(t.TempDir(), "clip.model")
	require.NoError(t, testmodel.WritePair(folder, 1))
	source, err := models.Open(folder)
	require.NoError(t, err)
	defer source.Close()
	_, err = source.Save(t.Context(), dir, models.SaveOptions{})
	require.NoError(t, err)
	p := open(t, dir)
	s := scenes.New(7, nil).Scene(3)
	p.encode(t, aladin.Text("a photo of a dog"), aladin.Text("the cat"), aladin.Image(s.Image))
}
