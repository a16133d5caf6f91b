package index_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/faultfs"
)

// specimens are small files with every kind of section, made once.
var specimens = sync.OnceValue(func() [][]byte {
	var files [][]byte
	for _, o := range []index.BuildOptions{
		{Match: index.Int8, Regions: index.Int8},
		{Match: index.Bits, Regions: index.TwoBit},
		{Match: index.F16, Regions: index.F16},
	} {
		disk := faultfs.New()
		o.FS, o.SegmentBytes = disk, 4000
		s := newSynth(30, 64, 64)
		items := images(s, 40)
		items[9].State = []byte("as built")
		items = append(items, index.Item{ID: "c1", Encoding: s.caption(4)}, index.Item{ID: "c2", Encoding: s.caption(2)})
		err := func() error {
			b, err := index.NewBuilder("f", &o)
			if err != nil {
				return err
			}
			for _, it := range items {
				if err := b.Add(context.Background(), it); err != nil {
					return err
				}
			}
			if err := b.Finish(context.Background()); err != nil {
				return err
			}
			w, err := index.OpenWriter("f", &o)
			if err != nil {
				return err
			}
			if err := w.Compact(context.Background(), &index.CompactOptions{Cells: 3}); err != nil {
				return err
			}
			if err := w.Delete(context.Background(), items[2].ID); err != nil {
				return err
			}
			for _, it := range items[5:8] {
				change := func(f *index.Fields) { f.Tags, f.Meta, f.State = append(f.Tags, "new"), []byte("1"), []byte("s") }
				if err := w.Update(context.Background(), it.ID, change); err != nil {
					return err
				}
			}
			if err := errors.Join(w.SetState([]byte("roots")), w.Commit(context.Background())); err != nil {
				return err
			}
			return w.Close()
		}()
		if err != nil {
			panic(err)
		}
		b, err := disk.ReadFile("f")
		if err != nil {
			panic(err)
		}
		files = append(files, b)
	}
	return files
})

// sign makes the checksums of both meta slots and their manifests right again, so
// that a change gets past them.
func sign(b []byte) {
	le := binary.LittleEndian
	for slot := range 2 {
		if m := b[slot*format.MetaPage:]; le.Uint64(m[16:]) != 0 {
			off, n := le.Uint64(m[24:]), le.Uint64(m[32:])
			if off <= uint64(len(b)) && n <= uint64(len(b))-off {
				le.PutUint32(m[48:], container.Checksum(b[off:off+n]))
			}
			le.PutUint32(m[60:], container.Checksum(m[:60]))
		}
	}
}

// exercise does all that can be done with a file. Errors are fine, crashes are not.
func exercise(b []byte) {
	ctx := context.Background()
	disk := faultfs.New()
	disk.WriteFile("f", b)
	s := newSynth(31, 64, 64)
	queries := []*index.Encoding{s.caption(3), s.image(3), s.caption(5)}
	ix, err := index.Open("f", &index.Options{FS: disk, Threads: 1})
	if err != nil {
		return
	}
	defer ix.Close()
	_, _ = ix.Info(ctx)
	_ = ix.Verify(ctx, nil)
	_, _ = ix.Tags(ctx)
	for id, err := range ix.IDs(ctx) {
		if err != nil {
			break
		}
		_, _ = ix.Item(ctx, id)
		_, _ = ix.Fields(ctx, id)
	}
	_, _ = ix.SearchBatch(ctx, queries, &index.SearchOptions{MatchOnly: true, K: 5})
	for _, q := range queries {
		for _, query := range []index.SearchOptions{
			{K: 50}, {K: 5, Probe: 1}, {K: 5, Exact: true, Tags: index.Or(index.Tag("t1"), index.Not(index.Tag("even")))},
			{K: 5, IDs: []string{"0003.jpg", "c1"}}, {K: 5, Kinds: []index.Kind{index.Caption}},
		} {
			query.WithFields = true
			_, _ = ix.Search(ctx, q, &query)
		}
	}
	_, _ = ix.Duplicates(ctx, nil)
	w, err := index.OpenWriter("f", &index.BuildOptions{FS: disk})
	if err != nil {
		return
	}
	defer w.Close()
	_ = w.Update(ctx, "0006.jpg", func(f *index.Fields) { f.Tags, f.State = append(f.Tags, "x"), []byte("y") })
	_ = w.Rename(ctx, "0007.jpg", "moved")
	if w.Add(context.Background(), index.Item{ID: "new", Encoding: s.image(3)}) == nil && w.Delete(context.Background(), "0005.jpg") == nil && w.Commit(context.Background()) == nil {
		_ = w.Compact(ctx, &index.CompactOptions{Cells: 2})
	}
}

func TestDamagedFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(40, 1))
	rounds := 250
	if testing.Short() {
		rounds = 50
	}
	for _, file := range specimens() {
		for range rounds {
			b := append([]byte(nil), file...)
			for range 1 + rng.IntN(4) {
				at := rng.IntN(len(b))
				switch rng.IntN(3) {
				case 0:
					b[at] ^= 1 << rng.IntN(8)
				case 1:
					b[at] = byte(rng.IntN(256))
				default: // a run: lengths and offsets that are far off
					for i := at; i < min(at+8, len(b)); i++ {
						b[i] = []byte{0, 0xff, 0x7f}[rng.IntN(3)]
					}
				}
			}
			sign(b)
			exercise(b)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add(uint8(0), uint32(9000), []byte{1, 2, 3})
	f.Add(uint8(1), uint32(8200), []byte{0xff, 0xff, 0xff, 0xff})
	for i, file := range specimens() { // the manifest of each
		f.Add(uint8(i), uint32(len(file)-400), []byte{4, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint32, patch []byte) {
		files := specimens()
		b := append([]byte(nil), files[int(which)%len(files)]...)
		copy(b[int(at)%len(b):], patch)
		sign(b)
		exercise(b)
	})
}

// Every flipped byte of a file is found by Open or by Verify.
func TestVerifyFindsFlips(t *testing.T) {
	file := specimens()[0]
	rng := rand.New(rand.NewPCG(41, 1))
	disk := faultfs.New()
	for range 400 {
		at := rng.IntN(len(file))
		b := append([]byte(nil), file...)
		b[at] ^= 1 << rng.IntN(8)
		disk.WriteFile("f", b)
		ix, err := index.Open("f", &index.Options{FS: disk})
		if err == nil {
			err = ix.Verify(context.Background(), nil)
			require.NoError(t, ix.Close())
		}
		require.ErrorIs(t, err, index.ErrCorrupt, "flip at %d", at)
	}
}
