package index

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
)

// TestFault cuts a mapped file short behind the check of its size. It runs in a
// child process, because what it tests would end this one.
func TestFault(t *testing.T) {
	if os.Getenv("INDEX_FAULT") != "" {
		childFault(t)
		return
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestFault$")
	cmd.Env = append(os.Environ(), "INDEX_FAULT=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func childFault(t *testing.T) {
	ctx := context.Background()
	for _, codec := range []Codec{Int8, F32, F16, Bits} {
		path := filepath.Join(t.TempDir(), "f")
		b, err := NewBuilder(path, &BuildOptions{Match: codec})
		require.NoError(t, err)
		e := &Encoding{Kind: Caption, Matching: make([]float32, 768), Tokens: make([]float32, 10*64), Text: "some text", Words: make([]Word, 10)}
		e.Matching[0], e.Tokens[0] = 1, 1
		for i := range 3000 {
			require.NoError(t, b.Add(context.Background(), Item{ID: fmt.Sprintf("item %05d", i), Encoding: e, Tags: []string{"tag"}}))
		}
		require.NoError(t, b.Finish(context.Background()))
		ix, err := Open(path, &Options{Threads: 3})
		require.NoError(t, err)
		hits, err := ix.Search(ctx, e, &SearchOptions{MatchOnly: true, K: 300})
		require.NoError(t, err)
		sn, err := ix.acquire()
		require.NoError(t, err)
		require.NoError(t, os.Truncate(path, format.DataStart))
		m := &matcher{sn: sn, opts: &SearchOptions{K: 10}, threads: 3}
		for what, call := range map[string]func() error{
			"match": func() error { _, err := m.run(ctx, []*Encoding{e}); return err },
			"batch": func() error { _, err := m.run(ctx, []*Encoding{e, e, e}); return err },
			"tags": func() error {
				m := &matcher{sn: sn, opts: &SearchOptions{K: 10, Tags: Tag("tag")}, threads: 3}
				_, err := m.run(ctx, []*Encoding{e})
				return err
			},
			"align": func() error {
				a, err := newAligner(sn, sn.store.tokens, e)
				if err == nil {
					err = a.rank(ctx, hits, nil, 3)
				}
				return err
			},
			"item": func() error { _, err := sn.item(0, 7); return err },
			"find": func() error { _, err := sn.find("item 00007"); return err },
			"info": func() error { sn.info(); return nil },
		} {
			require.ErrorIs(t, guard(path, call), ErrCorrupt, "%v %s", codec, what)
		}
		sn.release()
		_, err = ix.Search(ctx, e, &SearchOptions{MatchOnly: true})
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, "shrank")
		require.NoError(t, ix.Close())
	}
}

func TestNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	b, err := NewBuilder(path, nil)
	require.NoError(t, err)
	require.NoError(t, b.Add(t.Context(), Item{ID: "a", Encoding: &Encoding{Matching: []float32{1, 0}}}))
	require.NoError(t, b.Finish(t.Context()))
	w, err := OpenWriter(path, nil)
	require.NoError(t, err)
	_, err = OpenWriter(path, nil)
	require.ErrorIs(t, err, ErrLocked)
	_, err = NewBuilder(path, nil)
	require.ErrorIs(t, err, ErrLocked)
	other, err := OpenWriter(path, &BuildOptions{NoLock: true})
	require.NoError(t, err)
	require.NoError(t, other.Close())
	require.NoError(t, w.Close())
}
