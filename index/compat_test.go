package index_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

var update = flag.Bool("update", false, "write the compat files that are missing")

const compatDir = "../testdata/compat"

// compatFiles are the files of format version 1, by what they hold. Their items
// come from a seed, so that what was written years ago can be compared with what
// it should be. An entry is never changed; a new format gets new ones.
var compatFiles = map[string]struct {
	opts  index.BuildOptions
	items func() []index.Item
	cells int // compact into so many cells and delete an item
}{
	"v1-int8":               {index.BuildOptions{}, compatItems, 0},
	"v1-f32-f16":            {index.BuildOptions{Match: index.F32, Regions: index.F16}, compatItems, 0},
	"v1-bits-2bit-cells":    {index.BuildOptions{Match: index.Bits, Regions: index.TwoBit}, compatItems, 3},
	"v1-int8-cells-signs":   {index.BuildOptions{}, compatItems, 3},
	"v1-f16-4bit-segments":  {index.BuildOptions{Match: index.F16, Regions: index.FourBit, SegmentBytes: 1500}, compatItems, 0},
	"v1-only-bits-segments": {index.BuildOptions{Match: index.Bits, NoRescore: true, Regions: index.TwoBit, SegmentBytes: 1500}, compatItems, 0},
	"v1-dictionary":         {index.BuildOptions{Regions: index.None}, compatTexts, 0},
	"v1-empty":              {index.BuildOptions{}, func() []index.Item { return nil }, 0},
}

func compatItems() []index.Item {
	s := newSynth(100, 24, 16)
	items := images(s, 12)
	return append(items, index.Item{ID: "caption/1", Encoding: s.caption(4)}, index.Item{ID: "caption/2", Encoding: s.caption(3), Tags: []string{"even", "a tag"}})
}

func compatTexts() []index.Item {
	s := newSynth(101, 8, 8)
	var items []index.Item
	for i := range 100 {
		e := s.caption(2)
		e.Tokens, e.Weights, e.Words = nil, nil, nil
		e.Text = fmt.Sprintf("a long description of picture number %d, ", i) + strings.Repeat("which says the same as that of the others, ", 4+i%3)
		items = append(items, index.Item{ID: fmt.Sprintf("%03d", i), Encoding: e})
	}
	return items
}

const compatDeleted = 4 // the item that the files with cells have deleted

func TestCompat(t *testing.T) {
	ctx := context.Background()
	found, err := filepath.Glob(filepath.Join(compatDir, "*.aladin"))
	require.NoError(t, err)
	if !*update {
		require.Len(t, found, len(compatFiles), "run go test -update to write files that are missing")
	}
	for name, c := range compatFiles {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(compatDir, name+".aladin")
			items := c.items()
			delta := 0.02
			if c.opts.NoRescore {
				delta = 1 // nothing but signs is left
			}
			if _, err := os.Stat(path); os.IsNotExist(err) && *update {
				writeCompat(t, path, c.opts, items, c.cells)
			}
			ix := open(t, path, nil)
			require.NoError(t, ix.Verify(ctx, nil))
			if c.cells > 0 {
				items = append(items[:compatDeleted:compatDeleted], items[compatDeleted+1:]...)
			}
			sameItemsWithin(t, ix, items, delta)
			if len(items) == 0 {
				return
			}
			hits, err := ix.Search(ctx, items[3].Encoding, &index.SearchOptions{MatchOnly: true, K: 5})
			require.NoError(t, err)
			require.Equal(t, items[3].ID, hits[0].ID)
			if c.opts.Regions != index.None {
				hits, err = ix.Search(ctx, items[3].Encoding, nil)
				require.NoError(t, err)
				require.Equal(t, items[3].ID, hits[0].ID)
			}

			// A writer of today can go on with it.
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			path = filepath.Join(t.TempDir(), "copy")
			require.NoError(t, os.WriteFile(path, data, 0o666))
			w := openWriter(t, path, nil)
			more := items[0]
			more.ID = "one more"
			require.NoError(t, w.Add(context.Background(), more))
			require.NoError(t, w.Commit(context.Background()))
			sameItemsWithin(t, open(t, path, nil), append(items, more), delta)
			require.NoError(t, w.Compact(ctx, nil))
			sameItemsWithin(t, open(t, path, nil), append(items, more), delta)
		})
	}
}

func writeCompat(t *testing.T, path string, opts index.BuildOptions, items []index.Item, cells int) {
	require.NoError(t, os.MkdirAll(compatDir, 0o777))
	tmp := build(t, &opts, items)
	w := openWriter(t, tmp, nil)
	if cells > 0 {
		require.NoError(t, w.Compact(context.Background(), &index.CompactOptions{Cells: cells}))
		require.NoError(t, w.Delete(context.Background(), items[compatDeleted].ID))
		require.NoError(t, w.Commit(context.Background()))
	}
	data, err := os.ReadFile(tmp)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o666))
}
