package index_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/faultfs"
)

// life builds a file, adds to it, deletes, compacts it, and adds again, calling step after
// each part with the number of items that the file then holds.
func life(disk format.FS, items []index.Item, step func(n int)) error {
	b, err := index.NewBuilder("f", &index.BuildOptions{FS: disk})
	if err != nil {
		return err
	}
	defer b.Close()
	for _, it := range items[:6] {
		if err := b.Add(context.Background(), it); err != nil {
			return err
		}
	}
	if err := b.Finish(context.Background()); err != nil {
		return err
	}
	step(6)
	w, err := index.OpenWriter("f", &index.BuildOptions{FS: disk})
	if err != nil {
		return err
	}
	defer w.Close()
	for i, it := range items[6:8] {
		if err := w.Add(context.Background(), it); err != nil {
			return err
		}
		if err := w.Commit(context.Background()); err != nil {
			return err
		}
		step(7 + i)
	}
	for i := range 4 {
		if err := w.Delete(context.Background(), items[2*i].ID); err != nil {
			return err
		}
	}
	if err := w.Commit(context.Background()); err != nil {
		return err
	}
	step(4)
	for i, change := range []func() error{
		func() error {
			return w.Update(context.Background(), items[1].ID, func(f *index.Fields) { f.Tags, f.State = []string{"crash"}, []byte{1} })
		},
		func() error { return w.Rename(context.Background(), items[3].ID, "moved") },
	} {
		if err := errors.Join(change(), w.Commit(context.Background())); err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		step(4)
	}
	if err := w.Compact(context.Background(), nil); err != nil {
		return err
	}
	step(4)
	for i, it := range items[8:28] { // so many that segments are merged
		if err := w.Add(context.Background(), it); err != nil {
			return err
		}
		if err := w.Commit(context.Background()); err != nil {
			return err
		}
		step(5 + i)
	}
	return nil
}

// After a crash at any change, with any part of what was not synced lost, the
// file holds a commit no older than the last acknowledged one, and whole.
func TestCrashAnywhere(t *testing.T) {
	ctx := context.Background()
	items := images(newSynth(20, 64, 64), 29)
	disk := faultfs.New()
	type ack struct{ ops, n int }
	acks := []ack{{0, -1}}
	require.NoError(t, life(disk, items, func(n int) { acks = append(acks, ack{disk.Ops(), n}) }))
	for n := 0; n <= disk.Ops(); n++ {
		durable := 0
		for i, a := range acks {
			if a.ops <= n {
				durable = i
			}
		}
		allowed := []int{acks[durable].n}
		if durable+1 < len(acks) {
			allowed = append(allowed, acks[durable+1].n)
		}
		for seed := range uint64(8) {
			fate := faultfs.RandomFate(seed)
			if seed < 3 {
				fate = faultfs.Always(faultfs.Fate(seed))
			}
			after := disk.Crash(n, fate)
			got := -1
			ix, err := index.Open("f", &index.Options{FS: after})
			if !errors.Is(err, fs.ErrNotExist) {
				require.NoError(t, err, "crash before change %d, seed %d", n, seed)
				got = ix.Len()
				for id, err := range ix.IDs(ctx) {
					require.NoError(t, err)
					_, err = ix.Item(ctx, id)
					require.NoError(t, err)
				}
				require.NoError(t, ix.Close())
			}
			require.Contains(t, allowed, got, "crash before change %d, seed %d", n, seed)
			if got < 0 {
				continue
			}
			w, err := index.OpenWriter("f", &index.BuildOptions{FS: after})
			require.NoError(t, err)
			require.NoError(t, w.Add(context.Background(), items[28]))
			require.NoError(t, w.Compact(ctx, nil))
			require.NoError(t, w.Close())
			ix, err = index.Open("f", &index.Options{FS: after})
			require.NoError(t, err)
			require.Equal(t, got+1, ix.Len())
			require.NoError(t, ix.Verify(ctx, nil))
			require.NoError(t, ix.Close())
		}
	}
}

func TestDiskFull(t *testing.T) {
	items := images(newSynth(21, 64, 64), 29)
	probe := faultfs.New()
	require.NoError(t, life(probe, items, func(int) {}))
	for n := range probe.Ops() {
		disk := faultfs.New()
		disk.FailAt(n, syscall.ENOSPC)
		last := -1
		err := life(disk, items, func(n int) { last = n })
		require.ErrorIs(t, err, syscall.ENOSPC, "change %d", n)
		disk.Heal()
		ix, err := index.Open("f", &index.Options{FS: disk})
		if last < 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err, "change %d", n)
		require.NoError(t, ix.Close())
		w, err := index.OpenWriter("f", &index.BuildOptions{FS: disk})
		require.NoError(t, err, "change %d: the lock is free again", n)
		require.NoError(t, w.Add(context.Background(), items[28]))
		require.NoError(t, w.Commit(context.Background()))
		require.NoError(t, w.Close())
	}
}

func TestReadOnlyFile(t *testing.T) {
	path := build(t, nil, images(newSynth(22, 64, 64), 3))
	require.NoError(t, os.Chmod(path, 0o444))
	require.Equal(t, 3, open(t, path, nil).Len())
	if os.Getuid() != 0 { // root writes where it likes
		_, err := index.OpenWriter(path, nil)
		require.ErrorIs(t, err, fs.ErrPermission)
	}
}

func TestNotAnIndex(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{"empty": nil, "short": []byte("hello"), "zeros": make([]byte, 10000), "text": bytes.Repeat([]byte("not an index "), 1000)} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o666))
		_, err := index.Open(path, nil)
		require.ErrorIs(t, err, index.ErrNotIndex, name)
		_, err = index.OpenWriter(path, nil)
		require.ErrorIs(t, err, index.ErrNotIndex, name)
	}
	_, err := index.Open(dir, nil)
	require.Error(t, err)
	_, err = index.Open(filepath.Join(dir, "no such file"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// child runs this test binary again with a task in its environment.
func child(t *testing.T, task, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), "INDEX_CHILD="+task, "INDEX_PATH="+path)
	return cmd
}

// TestChild is the other side of child; alone it does nothing.
func TestChild(t *testing.T) {
	path := os.Getenv("INDEX_PATH")
	if os.Getenv("INDEX_CHILD") == "write" {
		childWrite(path)
	}
}

// childWrite adds and deletes for ever, and prints what it has committed.
func childWrite(path string) {
	s := newSynth(23, 64, 64)
	w, err := index.OpenWriter(path, nil)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	for n := 1; ; n++ {
		it := index.Item{ID: strconv.Itoa(n) + "-" + strconv.Itoa(os.Getpid()), Encoding: s.image(4)}
		if err = w.Add(context.Background(), it); err == nil {
			err = w.Commit(context.Background())
		}
		if err == nil && n%7 == 0 {
			err = w.Compact(context.Background(), nil)
		}
		if err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("added", n)
	}
}

func TestKilledWriter(t *testing.T) {
	path := build(t, nil, images(newSynth(24, 64, 64), 10))
	items := 10
	for round := range 6 {
		cmd := child(t, "write", path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		acked := 0
		var word string
		for acked < 5+round {
			_, err := fmt.Fscan(out, &word, &acked)
			require.NoError(t, err)
			require.Equal(t, "added", word)
		}
		time.Sleep(time.Duration(round) * 700 * time.Microsecond) // somewhere in the next commit
		require.NoError(t, cmd.Process.Kill())
		for { // what it acknowledged before it died
			if _, err := fmt.Fscan(out, &word, &acked); err != nil {
				break
			}
		}
		_ = cmd.Wait()
		ix, err := index.Open(path, nil)
		require.NoError(t, err)
		require.GreaterOrEqual(t, ix.Len(), items+acked)
		require.LessOrEqual(t, ix.Len(), items+acked+1)
		require.NoError(t, ix.Verify(context.Background(), nil))
		items = ix.Len()
		require.NoError(t, ix.Close())
	}
}
