package index_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
)

// sameFields checks what an index stores with items besides their encodings.
func sameFields(t *testing.T, ix *index.Index, want map[string]index.Fields) {
	t.Helper()
	require.Equal(t, len(want), ix.Len())
	for id, w := range want {
		f, err := ix.Fields(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, w.Tags, f.Tags, id)
		require.Equal(t, string(w.Meta), string(f.Meta), id)
		require.Equal(t, string(w.State), string(f.State), id)
		it, err := ix.Item(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, string(w.State), string(it.State))
		require.Equal(t, w.Tags, it.Tags)
	}
}

func TestUpdate(t *testing.T) {
	ctx := t.Context()
	s := newSynth(30, 64, 64)
	items := images(s, 120)
	items[5].State = []byte("as built")
	for _, regions := range []index.Codec{index.Int8, index.TwoBit} {
		path := build(t, &index.BuildOptions{Regions: regions, SegmentBytes: 9000, State: []byte("roots")}, items)
		before := open(t, path, nil)
		want := map[string]index.Fields{}
		for _, it := range items {
			tags := slices.Sorted(slices.Values(it.Tags))
			want[it.ID] = index.Fields{Meta: it.Meta, Tags: tags, State: it.State}
		}
		sameFields(t, before, want)
		check := func() {
			t.Helper()
			ix := open(t, path, nil)
			require.NoError(t, ix.Verify(ctx, nil))
			sameFields(t, ix, want)
		}
		w := openWriter(t, path, nil)
		update := func(id string, change func(*index.Fields)) {
			t.Helper()
			require.NoError(t, w.Update(ctx, id, change))
			f := want[id]
			change(&f)
			slices.Sort(f.Tags)
			want[id] = f
		}
		add := func(tag string) func(*index.Fields) {
			return func(f *index.Fields) { f.Tags = append(slices.Clone(f.Tags), tag) }
		}
		update(items[3].ID, add("new"))
		update(items[3].ID, add("another"))
		update(items[100].ID, add("new"))
		update(items[4].ID, func(f *index.Fields) { f.Tags = nil })
		update(items[5].ID, func(f *index.Fields) { f.Meta = json.RawMessage(`{"edited":true}`) })
		update(items[6].ID, func(f *index.Fields) { f.State = []byte{1, 2, 3} })
		require.Equal(t, 6, w.Stats().Updated)
		sameFields(t, open(t, path, nil), fieldsOf(items)) // not yet
		require.NoError(t, w.Commit(ctx))
		check()
		hits, err := open(t, path, nil).Search(ctx, s.caption(2), &index.SearchOptions{Tags: index.Tag("new"), WithFields: true})
		require.NoError(t, err)
		require.ElementsMatch(t, []string{items[3].ID, items[100].ID}, ids(hits))

		// Again, over what was updated before, and nothing at all.
		update(items[5].ID, func(f *index.Fields) { f.State = nil })
		update(items[6].ID, func(f *index.Fields) { f.Meta = nil })
		update(items[3].ID, func(f *index.Fields) { f.Tags = []string{"alone"} })
		require.NoError(t, w.Update(ctx, items[7].ID, func(*index.Fields) {}))
		require.Equal(t, 9, w.Stats().Updated)
		require.NoError(t, w.Commit(ctx))
		check()

		// Moved, with all that it had.
		require.NoError(t, w.Rename(ctx, items[6].ID, "moved.jpg"))
		want["moved.jpg"] = want[items[6].ID]
		delete(want, items[6].ID)
		require.ErrorIs(t, w.Rename(ctx, items[8].ID, items[9].ID), index.ErrDuplicate)
		require.ErrorIs(t, w.Rename(ctx, items[8].ID, "moved.jpg"), index.ErrDuplicate)
		require.ErrorIs(t, w.Rename(ctx, "no such", "x"), index.ErrNotFound)
		require.ErrorIs(t, w.Rename(ctx, items[8].ID, ""), index.ErrInvalid)
		require.NoError(t, w.Commit(ctx))
		check()
		got, err := open(t, path, nil).Item(ctx, "moved.jpg")
		require.NoError(t, err)
		old, err := before.Item(ctx, items[6].ID)
		require.NoError(t, err)
		require.Equal(t, old.Encoding, got.Encoding, "codes stay what they are")

		// Many commits merge segments, and a rewritten file keeps everything.
		for i := range 40 {
			update(items[20+i].ID, add("late"))
			it := items[3]
			it.ID, it.State, it.Tags = "more"+items[i].ID, []byte{byte(i)}, []string{"late"}
			require.NoError(t, w.Add(ctx, it))
			want[it.ID] = index.Fields{Meta: it.Meta, Tags: it.Tags, State: it.State}
			require.NoError(t, w.Commit(ctx))
		}
		check()
		require.NoError(t, w.SetState([]byte("other roots")))
		require.NoError(t, w.Compact(ctx, nil))
		check()
		info, err := open(t, path, nil).Info(ctx)
		require.NoError(t, err)
		require.Equal(t, "other roots", string(info.State))
		info, err = before.Info(ctx)
		require.NoError(t, err)
		require.Equal(t, "roots", string(info.State))
	}
}

func fieldsOf(items []index.Item) map[string]index.Fields {
	out := map[string]index.Fields{}
	for _, it := range items {
		out[it.ID] = index.Fields{Meta: it.Meta, Tags: slices.Sorted(slices.Values(it.Tags)), State: it.State}
	}
	return out
}

func TestUpdateRefuses(t *testing.T) {
	ctx := t.Context()
	items := images(newSynth(31, 64, 64), 6)
	path := build(t, nil, items[:5])
	w := openWriter(t, path, nil)
	none := func(*index.Fields) {}
	require.ErrorIs(t, w.Update(ctx, "no such", none), index.ErrNotFound)
	require.NoError(t, w.Add(ctx, items[5]))
	require.ErrorIs(t, w.Update(ctx, items[5].ID, none), index.ErrInvalid)
	require.ErrorIs(t, w.Rename(ctx, items[5].ID, "x"), index.ErrInvalid)
	require.NoError(t, w.Delete(ctx, items[0].ID))
	require.ErrorIs(t, w.Update(ctx, items[0].ID, none), index.ErrNotFound)
	for _, bad := range []func(*index.Fields){
		func(f *index.Fields) { f.Meta = []byte("{") }, func(f *index.Fields) { f.Tags = []string{""} },
		func(f *index.Fields) { f.State = make([]byte, 5000) },
	} {
		require.ErrorIs(t, w.Update(ctx, items[1].ID, bad), index.ErrInvalid)
	}
	require.ErrorIs(t, w.SetState(make([]byte, 2<<20)), index.ErrInvalid)
	require.NoError(t, w.Commit(ctx), "what was refused does no harm")
	require.Equal(t, 5, open(t, path, nil).Len())
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.Update(ctx, items[1].ID, none), index.ErrClosed)
}

// Changing an item costs about what changes, not what its segment holds.
func TestUpdateCost(t *testing.T) {
	ctx := t.Context()
	items := images(newSynth(32, 256, 256), 400)
	path := build(t, nil, items)
	size := func() int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	w := openWriter(t, path, nil)
	was := size()
	require.NoError(t, w.Update(ctx, items[7].ID, func(f *index.Fields) { f.State, f.Meta = []byte("x"), []byte(`"y"`) }))
	require.NoError(t, w.Commit(ctx))
	require.Less(t, size()-was, int64(3000))
	was = size()
	require.NoError(t, w.Update(ctx, items[7].ID, func(f *index.Fields) { f.Tags = []string{"z"} }))
	require.NoError(t, w.Commit(ctx))
	require.Less(t, size()-was, int64(6000))
}

// Files of earlier versions can be changed as well.
func TestUpdateCompat(t *testing.T) {
	ctx := t.Context()
	data, err := os.ReadFile(filepath.Join(compatDir, "v1-bits-2bit-cells.aladin"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.WriteFile(path, data, 0o666))
	w := openWriter(t, path, nil)
	id := compatItems()[1].ID
	require.NoError(t, w.Update(ctx, id, func(f *index.Fields) { f.Tags, f.State = []string{"new"}, []byte("state") }))
	require.NoError(t, w.Commit(ctx))
	require.NoError(t, w.Compact(ctx, &index.CompactOptions{Cells: 2}))
	f, err := open(t, path, nil).Fields(ctx, id)
	require.NoError(t, err)
	require.Equal(t, []string{"new"}, f.Tags)
	require.Equal(t, "state", string(f.State))
}

// An item may be updated and then renamed or deleted, of which nothing of its segment may be left.
func TestUpdateOfWhatGoes(t *testing.T) {
	ctx := t.Context()
	path := build(t, nil, images(newSynth(31, 64, 64), 2))
	w := openWriter(t, path, nil)
	ids := idsOf(t, path)
	for i, id := range ids {
		require.NoError(t, w.Update(ctx, id, func(f *index.Fields) { f.State, f.Tags = []byte{byte(i)}, []string{"moved"} }))
	}
	require.NoError(t, w.Rename(ctx, ids[0], "first"))
	require.NoError(t, w.Delete(ctx, ids[1]))
	require.NoError(t, w.Commit(ctx))
	ix := open(t, path, nil)
	require.NoError(t, ix.Verify(ctx, nil))
	f, err := ix.Fields(ctx, "first")
	require.NoError(t, err)
	require.Equal(t, []string{"moved"}, f.Tags)
	require.Equal(t, []byte{0}, f.State)
	for it, err := range ix.States(ctx) {
		require.NoError(t, err)
		require.Equal(t, index.ItemState{ID: "first", Kind: index.Image, State: []byte{0}}, it)
	}
}

func idsOf(t *testing.T, path string) (ids []string) {
	t.Helper()
	for id, err := range open(t, path, nil).IDs(t.Context()) {
		require.NoError(t, err)
		ids = append(ids, id)
	}
	return ids
}
