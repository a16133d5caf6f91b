package container_test

import (
	"bytes"
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/faultfs"
)

// payload is what commit c holds in its own section.
func payload(c int) []byte { return bytes.Repeat([]byte{byte(c)}, 50+37*c) }

// commit appends one segment and commits. From the third on it drops the oldest
// segment, so that files have dead bytes.
func commit(w *container.Writer, c int) error {
	m := &container.Manifest{Model: "m", MatchCodec: format.CodecInt8, TokenCodec: format.CodecNone}
	if old := w.Manifest(); old != nil {
		m = old.Clone()
	}
	s, err := w.Append(format.KindItem, 0, payload(c))
	if err != nil {
		return err
	}
	m.Segments = append(m.Segments, container.Segment{Items: len(payload(c)), Sections: []container.Section{s}})
	if c >= 3 {
		m.Segments = m.Segments[1:]
	}
	return w.Commit(m)
}

// last opens a file, verifies it, and returns the number of its last commit.
func last(t *testing.T, fs format.FS, verify bool) int {
	t.Helper()
	r, err := container.Open(fs, "f")
	require.NoError(t, err)
	defer r.Close()
	if verify {
		require.NoError(t, r.Verify(context.Background(), nil))
	}
	segs := r.Manifest().Segments
	b := r.Bytes(segs[len(segs)-1].Sections[0])
	c := int(b[0])
	require.Equal(t, payload(c), b)
	require.EqualValues(t, c, r.Meta().Generation)
	return c
}

// write makes a file of n commits and returns how many changes were logged when
// each was acknowledged.
func write(t *testing.T, fs *faultfs.FS, n int) []int {
	t.Helper()
	w, err := container.Create(fs, "f")
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, fs.SyncDir("f"))
	var acked []int
	for c := 1; c <= n; c++ {
		require.NoError(t, commit(w, c))
		acked = append(acked, fs.Ops())
	}
	return acked
}

func TestCrashAnywhere(t *testing.T) {
	fs := faultfs.New()
	acked := write(t, fs, 6)
	fates := map[string]func(int) faultfs.Fate{"kept": faultfs.Always(faultfs.Kept), "lost": faultfs.Always(faultfs.Lost), "torn": faultfs.Always(faultfs.Torn)}
	for seed := range uint64(20) {
		fates[fmt.Sprint("random ", seed)] = faultfs.RandomFate(seed)
	}
	for n := acked[0]; n <= fs.Ops(); n++ {
		durable := 0
		for _, a := range acked {
			if a <= n {
				durable++
			}
		}
		for name, fate := range fates {
			disk := fs.Crash(n, fate)
			got := last(t, disk, false)
			require.Contains(t, []int{durable, durable + 1}, got, "crash before change %d, %s", n, name)

			// The next writer goes on as if nothing had happened.
			w, err := container.OpenWriter(disk, "f")
			require.NoError(t, err)
			require.NoError(t, commit(w, got+1))
			require.NoError(t, commit(w, got+2))
			require.NoError(t, w.Close())
			require.Equal(t, got+2, last(t, disk, true), "crash before change %d, %s", n, name)
		}
	}
}

func TestDiskFull(t *testing.T) {
	total := func() int { fs := faultfs.New(); write(t, fs, 4); return fs.Ops() }()
	for n := range total - 1 { // write also syncs the folder
		fs := faultfs.New()
		fs.FailAt(n, syscall.ENOSPC)
		acked := 0
		w, err := container.Create(fs, "f")
		if err == nil {
			for c := 1; c <= 4 && err == nil; c++ {
				if err = commit(w, c); err == nil {
					acked = c
				}
			}
			require.ErrorIs(t, commit(w, 9), syscall.ENOSPC, "a failed writer stays failed")
			require.NoError(t, w.Close())
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		fs.Heal()
		if acked == 0 {
			continue
		}
		got := last(t, fs, false)
		require.Contains(t, []int{acked, acked + 1}, got)
		w, err = container.OpenWriter(fs, "f")
		require.NoError(t, err)
		require.NoError(t, commit(w, got+1))
		require.NoError(t, commit(w, got+2))
		require.NoError(t, w.Close())
		require.Equal(t, got+2, last(t, fs, true))
	}
}

// Every single flipped byte of a file is found: by Open, or by Verify.
func TestVerifyFindsEveryFlip(t *testing.T) {
	fs := faultfs.New()
	write(t, fs, 5)
	b, err := fs.ReadFile("f")
	require.NoError(t, err)
	for i := range b {
		b[i] ^= 1 << (i % 8)
		fs.WriteFile("f", b)
		b[i] ^= 1 << (i % 8)
		r, err := container.Open(fs, "f")
		if err == nil {
			err = r.Verify(context.Background(), nil)
			r.Close()
		}
		require.Error(t, err, "flip at byte %d", i)
	}
}

// A file cut short anywhere is refused, not opened as the commit before.
func TestTruncated(t *testing.T) {
	fs := faultfs.New()
	write(t, fs, 3)
	b, err := fs.ReadFile("f")
	require.NoError(t, err)
	for n := range b {
		fs.WriteFile("f", b[:n])
		_, err := container.Open(fs, "f")
		require.Error(t, err, "%d bytes", n)
	}
}
