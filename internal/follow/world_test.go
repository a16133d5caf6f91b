package follow_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/follow"
)

// encoder makes vectors of the bytes of files.
type encoder struct {
	encoded []string // names of files
	stopAt  int      // fails for good at this one; 0: never
	err     error
	each    func()
}

func (e *encoder) Fingerprint() string { return "fake" }

func (e *encoder) EncodeSeq(ctx context.Context, ins iter.Seq[aladin.Input]) iter.Seq2[*aladin.Encoding, error] {
	return func(yield func(*aladin.Encoding, error) bool) {
		for in := range ins {
			if e.stopAt > 0 && len(e.encoded)+1 == e.stopAt {
				yield(nil, e.err)
				return
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			e.encoded = append(e.encoded, filepath.Base(in.File))
			if e.each != nil {
				e.each()
			}
			enc, err := encode(in.File)
			if err != nil {
				err = &aladin.InputError{Input: in.File, Err: err}
			}
			if !yield(enc, err) {
				return
			}
		}
	}
}

func encode(file string) (*aladin.Encoding, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(b), "bad") {
		return nil, errors.New("not a picture")
	}
	return &aladin.Encoding{Model: "fake", Matching: vector(b)}, nil
}

func vector(content []byte) []float32 {
	rng := rand.New(rand.NewPCG(xxhash.Sum64(content), 1))
	v := make([]float32, 8)
	sum := 0.0
	for i := range v {
		v[i] = float32(rng.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

var age = time.Now().Add(-1000 * time.Hour) // of the next file

// put writes a file that is not new, so that nobody has to wait for the disk's clock.
func put(t testing.TB, dir, name, content string) {
	t.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
	require.NoError(t, os.WriteFile(p, []byte(content), 0o600))
	age = age.Add(time.Second + 1)
	require.NoError(t, os.Chtimes(p, age, age))
}

func mv(t testing.TB, from, to string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.Rename(from, to))
}

// world is a folder and its index.
type world struct {
	t         testing.TB
	dir, file string
	enc       *encoder
	opts      follow.Options
}

func newWorld(t testing.TB, names ...string) *world {
	w := &world{t: t, dir: t.TempDir(), file: filepath.Join(t.TempDir(), "x.aladin"), enc: &encoder{}}
	for _, n := range names {
		put(t, w.dir, n, "photo "+n)
	}
	w.opts = follow.Options{Roots: []follow.Root{{Dir: w.dir}}, Index: index.BuildOptions{Match: index.F32}}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *world) try(ctx context.Context) (*follow.Summary, error) {
	w.enc.encoded = nil
	o := w.opts
	return follow.Sync(ctx, w.file, w.enc, &o)
}

// sync synchronises and gives added, changed, moved, removed and unreadable ones.
func (w *world) sync() [5]int {
	w.t.Helper()
	s, err := w.try(context.Background())
	require.NoError(w.t, err)
	require.Len(w.t, w.enc.encoded, len(slices.Compact(slices.Sorted(slices.Values(w.enc.encoded)))))
	return [5]int{s.Added, s.Changed, s.Moved, s.Removed, len(s.Unreadable)}
}

func (w *world) tag(id string, tags ...string) {
	w.t.Helper()
	require.NoError(w.t, retag(w.file, id, tags, nil))
}

func retag(file, id string, tags []string, o *index.BuildOptions) (err error) {
	x, err := index.OpenWriter(file, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	if err := x.Update(context.Background(), id, func(f *index.Fields) { f.Tags = tags }); err != nil {
		return err
	}
	return x.Commit(context.Background())
}

// is checks ids with their tags: "a.jpg" or "a.jpg: red green".
func (w *world) is(want ...string) {
	w.t.Helper()
	require.Equal(w.t, append([]string{}, want...), contents(w.t, w.file, nil))
}

func contents(t testing.TB, file string, o *index.Options) []string {
	t.Helper()
	ix, err := index.Open(file, o)
	require.NoError(t, err)
	defer ix.Close()
	require.NoError(t, ix.Verify(context.Background(), nil))
	out := []string{}
	for id, err := range ix.IDs(context.Background()) {
		require.NoError(t, err)
		f, err := ix.Fields(context.Background(), id)
		require.NoError(t, err)
		if len(f.Tags) > 0 {
			id += ": " + strings.Join(f.Tags, " ")
		}
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func fileBytes(t testing.TB, file string) string {
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return fmt.Sprint(len(b), xxhash.Sum64(b))
}
