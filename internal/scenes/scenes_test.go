package scenes

import (
	"context"
	"flag"
	"fmt"
	"github.com/aladin-go/aladin/internal/region"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The scenes of a seed are part of what measurements mean: they may change only on purpose.
func TestScenesStayTheSame(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		seed    uint64
		options Options
		i       int
	}{
		{1, Options{}, 0}, {1, Options{}, 1}, {1, Options{}, 2}, {1, Options{}, 123456},
		{1, Options{Split: Val}, 0}, {1, Options{Split: Test}, 0}, {2, Options{}, 0},
		{7, Options{Size: 64}, 5}, {7, Options{Size: 160}, 5}, {math.MaxUint64, Options{Split: Test}, -3},
	} {
		s := New(c.seed, &c.options).Scene(c.i)
		h := fnv.New64a()
		_, _ = h.Write(s.Image.Pix)
		fmt.Fprintf(&b, "seed %d %s %s %dx%d pixels %016x\n", c.seed, c.options.Split, s.ID, s.Image.Rect.Dx(), s.Image.Rect.Dy(), h.Sum64())
		fmt.Fprintf(&b, "  on %s by %s\n", s.Floor, s.Wall)
		for _, o := range s.Objects {
			fmt.Fprintf(&b, "  %s %s %s %s %.4f visible %.3f\n", o.Size, o.Colour, o.Material, o.Shape, o.Box, o.Visible)
		}
		for _, c := range s.Captions {
			fmt.Fprintf(&b, "  %q %v\n    %s\n", c.Text, c.Mentions, &c.Form)
		}
	}
	golden := filepath.Join("testdata", "scenes.golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("scenes changed (-want +got); if that is meant, run with -update\n%s", d)
	}
}

func TestSceneDependsOnNothingElse(t *testing.T) {
	small, large := New(3, nil), New(3, &Options{Size: 200, Workers: 1})
	for _, i := range []int{5, 2, 9, 2} {
		a, b, d := small.Scene(i), large.Scene(i), small.Describe(i)
		assert.Equal(t, a.Objects, b.Objects, "size changes the scene")
		assert.Equal(t, a.Captions, b.Captions, "size changes the captions")
		assert.Equal(t, a.Captions, d.Captions)
		assert.Nil(t, d.Image)
		assert.Equal(t, a.Image.Pix, New(3, nil).Scene(i).Image.Pix)
	}
	assert.NotEqual(t, small.Scene(1).Image.Pix, New(4, nil).Scene(1).Image.Pix)
}

func TestOptions(t *testing.T) {
	for size, want := range map[int]int{0: DefaultSize, 1: MinSize, -5: MinSize, 96: 96, 1 << 30: MaxSize} {
		assert.Equal(t, want, New(1, &Options{Size: size}).options.Size)
	}
	assert.Equal(t, Test, New(1, &Options{Split: 99}).options.Split)
	o := Options{}
	New(1, &o)
	assert.Zero(t, o, "the caller's options stay as they are")
}

// What a scene shows is written out here in words, so that the test does not rely on the hash
// that keeps the splits apart.
func showing(s *Scene) string {
	var list []string
	for i := range s.Objects {
		o := &s.Objects[i]
		list = append(list, fmt.Sprint(o.Size, o.Colour, o.Material, o.Shape))
	}
	slices.Sort(list)
	return fmt.Sprint(s.Floor, s.Wall, list)
}

func TestSplitsShareNoScene(t *testing.T) {
	seen := map[string]Split{}
	for _, part := range []struct {
		seed  uint64
		split Split
		n     int
	}{{1, Train, 5000}, {1, Test, 1000}, {1, Val, 500}, {2, Test, 500}, {2, Train, 500}} {
		g := New(part.seed, &Options{Split: part.split})
		for i := range part.n {
			s, _ := g.contents(i)
			what := showing(s)
			if other, ok := seen[what]; ok {
				require.Equal(t, other, part.split, "%s is in two splits", what)
			}
			seen[what] = part.split
		}
	}
	assert.Greater(t, len(seen), 7400, "scenes hardly ever repeat")
}

func TestRange(t *testing.T) {
	g := New(11, &Options{Size: 32, Workers: 3})
	var ids []string
	for s := range g.Range(t.Context(), 4, 24) {
		ids = append(ids, s.ID)
		if s.ID == "scene-000010" {
			assert.Equal(t, New(11, &Options{Size: 32}).Scene(10).Image.Pix, s.Image.Pix)
		}
	}
	require.Len(t, ids, 20)
	assert.True(t, slices.IsSorted(ids))
	assert.Equal(t, "scene-000004", ids[0])

	for s := range g.Range(t.Context(), 0, 1000000) {
		if s.ID == "scene-000003" {
			break // must not draw the rest, or hang
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for range g.Range(ctx, 0, 1000000) {
		if n++; n == 5 {
			cancel()
		}
	}
	assert.Less(t, n, 100)
	for range g.Range(t.Context(), 5, 5) {
		t.Error("an empty range yields nothing")
	}
	for range g.Range(t.Context(), 5, 1) {
		t.Error("nor does one that ends before it starts")
	}
}

// Every attribute must occur often enough to be learned.
func TestDistribution(t *testing.T) {
	g := New(5, nil)
	count := map[string]int{}
	objects, clear := 0, 0
	const n = 2000
	for i := range n {
		s := g.Describe(i)
		require.GreaterOrEqual(t, len(s.Objects), minObjects)
		require.LessOrEqual(t, len(s.Objects), maxObjects)
		count["floor "+s.Floor.String()]++
		count["wall "+s.Wall.String()]++
		for _, o := range s.Objects {
			objects++
			if o.Clear() {
				clear++
			}
			require.Positive(t, o.Visible)
			for _, w := range []string{o.Shape.String(), o.Colour.String(), o.Material.String(), o.Size.String()} {
				count[w]++
			}
			if o.Visible == 1 {
				assert.GreaterOrEqual(t, max(region.Width(o.Box), region.Height(o.Box)), float32(0.14), "%s: %v is too small", s.ID, o)
			}
		}
		for _, c := range s.Captions {
			for _, m := range c.Mentions {
				if m.Plural {
					count["plural"]++
				}
			}
			for _, r := range c.Form.Relations {
				count["relation "+r.Kind.String()]++
			}
		}
	}
	assert.Len(t, count, shapes+colours+materials+sizes+floors+walls+1+kinds)
	for what, k := range count {
		assert.Greater(t, k, n/50, what)
	}
	assert.Greater(t, clear*100, objects*97, "nearly all objects can be spoken of")
}
