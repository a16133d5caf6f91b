package regions

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/shareddata"
)

// captioned lists the photos of Flickr8k's dev split whose five captions all hold the word.
func captioned(t testing.TB, word string, n int) []string {
	t.Helper()
	f, err := os.Open(shareddata.Dir(t, "flickr8k", "dev.tsv"))
	require.NoError(t, err)
	defer f.Close()
	count := make(map[string]int)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		cols := strings.Split(sc.Text(), "\t")
		require.Len(t, cols, 3)
		if slices.Contains(strings.Fields(strings.ToLower(cols[2])), word) {
			count[cols[0]]++
		}
	}
	var out []string
	for _, id := range sortedKeys(count) {
		if count[id] == 5 && len(out) < n {
			out = append(out, filepath.Join(shareddata.Dir(t, "flickr8k", "dev"), id))
		}
	}
	require.Len(t, out, n)
	return out
}

func photos(t testing.TB, paths []string) []*picture.Picture {
	t.Helper()
	var out []*picture.Picture
	for _, p := range paths {
		img, err := picture.DecodeFile(t.Context(), p, nil)
		require.NoError(t, err)
		out = append(out, img)
	}
	return out
}

func openPreset(t testing.TB, change func(*Config), opts *ort.Options) Extractor {
	t.Helper()
	needRuntime(t)
	cfg, err := Preset("mobilenet-yolox")
	require.NoError(t, err)
	if change != nil {
		change(cfg)
	}
	x, err := Open(cfg, shareddata.Dir(t, "models"), opts)
	require.NoError(t, err)
	t.Cleanup(func() { x.Close() })
	return x
}

// TestRealDogs: people who write "dog" five times and a small detector agree about most photos.
func TestRealDogs(t *testing.T) {
	x := openPreset(t, nil, nil)
	require.Equal(t, 960+1280+2*256+6, x.Dim())
	dogs := photos(t, captioned(t, "dog", 12))
	sets, err := x.Extract(context.Background(), dogs)
	require.NoError(t, err)
	found := 0
	for _, s := range sets {
		require.NoError(t, s.Validate())
		require.GreaterOrEqual(t, s.Len(), 1+9)
		require.Equal(t, len(s.Boxes)-10, len(s.Tags))
		if slices.Contains(s.ObjectTags(), "dog") {
			found++
		}
	}
	require.GreaterOrEqual(t, found, 7, "of 12 photos of dogs")
}

// TestRealModelsAreDeterministic runs the real backbone in batches and alone.
func TestRealModelsAreDeterministic(t *testing.T) {
	imgs := photos(t, captioned(t, "dog", 5))
	want, err := openPreset(t, nil, &ort.Options{Threads: 1}).Extract(context.Background(), imgs)
	require.NoError(t, err)
	got, err := openPreset(t, func(c *Config) { c.Models[0].Batch = 3 }, &ort.Options{Threads: 2}).Extract(context.Background(), imgs)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestRealCrops runs both models on the part of the photo below each box.
func TestRealCrops(t *testing.T) {
	x := openPreset(t, func(c *Config) {
		c.Regions.Boxes = boxesCrop
		c.BoxNumbers = false
	}, nil)
	require.Equal(t, 960+1280+2*256, x.Dim())
	sets, err := x.Extract(t.Context(), photos(t, captioned(t, "dog", 1)))
	require.NoError(t, err)
	set := sets[0]
	for _, at := range []int{0, 960, 960 + 1280, 960 + 1280 + 256} { // every map says something
		require.NotZero(t, slices.Max(set.Row(set.Len() - 1)[at:at+200]))
	}
}

// BenchmarkPreset is photos a second, decoded: go test -bench Preset.
func BenchmarkPreset(b *testing.B) {
	x := openPreset(b, nil, nil)
	imgs := photos(b, captioned(b, "dog", 20))
	for b.Loop() {
		if _, err := x.Extract(context.Background(), imgs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(imgs))/b.Elapsed().Seconds(), "photos/s")
}

// BenchmarkDecode is photos a second from file bytes to 224×224 float planes, on one core.
func BenchmarkDecode(b *testing.B) {
	paths := captioned(b, "dog", 20)
	x := patches(b, PatchConfig{Size: 192, Patch: 16}, false).(*Patches)
	for b.Loop() {
		for _, img := range photos(b, paths) {
			v, err := viewsOf([]*picture.Picture{img}, nil)
			if err != nil {
				b.Fatal(err)
			}
			x.regions(v[0])
		}
	}
	b.ReportMetric(float64(b.N*len(paths))/b.Elapsed().Seconds(), "photos/s")
}
