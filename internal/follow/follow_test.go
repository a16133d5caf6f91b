package follow_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/follow"
	"github.com/aladin-go/aladin/internal/source"
)

func TestSync(t *testing.T) {
	w := newWorld(t, "a.jpg", "b.jpg", "trip/c.jpg")
	put(t, w.dir, "bad.jpg", "bad")
	put(t, w.dir, "film.mp4", "film")
	s, err := w.try(t.Context())
	require.NoError(t, err)
	require.Equal(t, []follow.Unreadable{{Path: "bad.jpg", Why: "not a picture"}}, s.Unreadable)
	require.Equal(t, map[string]int{"mp4": 1}, s.NotRead)
	require.Equal(t, 3, s.Added)
	require.Equal(t, 3, s.Items)
	w.tag("a.jpg", "red")
	w.tag("trip/c.jpg", "green")
	w.tag("b.jpg", "blue")

	before := fileBytes(t, w.file)
	require.Equal(t, [5]int{0, 0, 0, 0, 1}, w.sync())
	require.Equal(t, before, fileBytes(t, w.file), "nothing was to be done, and something was written")

	// Each kind of change, all at once.
	mv(t, w.path("trip"), w.path("2024"))
	put(t, w.dir, "a.jpg", "another photo")
	put(t, w.dir, "d.jpg", "photo d")
	require.NoError(t, os.Remove(w.path("b.jpg")))
	w.opts.DryRun = true
	require.Equal(t, [5]int{1 + 1, 1, 1, 1, 0}, w.sync(), "a dry run decodes nothing")
	require.Equal(t, before, fileBytes(t, w.file))
	w.opts.DryRun = false
	require.Equal(t, [5]int{1, 1, 1, 1, 1}, w.sync())
	require.Equal(t, []string{"a.jpg", "bad.jpg", "d.jpg"}, w.enc.encoded)
	w.is("2024/c.jpg: green", "a.jpg: red", "d.jpg")

	// A photo that is damaged stays as it was, until it is whole or gone.
	put(t, w.dir, "a.jpg", "bad now")
	require.Equal(t, [5]int{0, 0, 0, 0, 2}, w.sync())
	w.is("2024/c.jpg: green", "a.jpg: red", "d.jpg")
	put(t, w.dir, "a.jpg", "whole again")
	require.Equal(t, [5]int{0, 1, 0, 0, 1}, w.sync())
	w.is("2024/c.jpg: green", "a.jpg: red", "d.jpg")

	// A file that was only touched is read, and remembered.
	require.NoError(t, os.Chtimes(w.path("a.jpg"), age.Add(time.Hour), age.Add(time.Hour)))
	require.Equal(t, [5]int{0, 0, 0, 0, 1}, w.sync())
	before = fileBytes(t, w.file)
	require.Equal(t, [5]int{0, 0, 0, 0, 1}, w.sync())
	require.Equal(t, before, fileBytes(t, w.file))
	require.Equal(t, []string{"bad.jpg"}, w.enc.encoded)
}

func TestMoves(t *testing.T) {
	w := newWorld(t, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
	w.sync()
	for _, n := range []string{"a", "b", "c", "d"} {
		w.tag(n+".jpg", n)
	}
	// A circle of three, and a chain into it.
	mv(t, w.path("a.jpg"), w.path("x"))
	mv(t, w.path("b.jpg"), w.path("a.jpg"))
	mv(t, w.path("c.jpg"), w.path("b.jpg"))
	mv(t, w.path("x"), w.path("c.jpg"))
	mv(t, w.path("d.jpg"), w.path("e.jpg"))
	require.Equal(t, [5]int{0, 0, 4, 0, 0}, w.sync())
	require.Empty(t, w.enc.encoded)
	w.is("a.jpg: b", "b.jpg: c", "c.jpg: a", "e.jpg: d")

	// Onto another one, whose place it takes.
	mv(t, w.path("e.jpg"), w.path("a.jpg"))
	require.Equal(t, [5]int{0, 0, 1, 1, 0}, w.sync())
	w.is("a.jpg: d", "b.jpg: c", "c.jpg: a")

	// Away, with something new in its place.
	mv(t, w.path("a.jpg"), w.path("f.jpg"))
	put(t, w.dir, "a.jpg", "new")
	require.Equal(t, [5]int{1, 0, 1, 0, 0}, w.sync())
	w.is("a.jpg", "b.jpg: c", "c.jpg: a", "f.jpg: d")

	// A copy is made before the photo is edited: what is edited keeps its tags.
	put(t, w.dir, "b-before.jpg", string(must(os.ReadFile(w.path("b.jpg")))))
	put(t, w.dir, "b.jpg", "edited")
	require.Equal(t, [5]int{1, 1, 0, 0, 0}, w.sync())
	w.is("a.jpg", "b-before.jpg", "b.jpg: c", "c.jpg: a", "f.jpg: d")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRoots(t *testing.T) {
	w := newWorld(t, "IMG_0001.jpg", "IMG_0002.jpg")
	w.sync()
	other := t.TempDir()
	put(t, other, "IMG_0001.jpg", "another camera's first")
	put(t, other, "IMG_0002.jpg", "another camera's second")

	// Another folder is no root unless it has a name.
	w.opts.Roots = []follow.Root{{Dir: other}}
	_, err := w.try(t.Context())
	require.ErrorIs(t, err, follow.ErrRoot)
	require.ErrorContains(t, err, "NAME="+other)
	w.opts.Roots = []follow.Root{{Name: "phone", Dir: other}}
	require.Equal(t, [5]int{2, 0, 0, 0, 0}, w.sync())
	w.is("IMG_0001.jpg", "IMG_0002.jpg", "phone/IMG_0001.jpg", "phone/IMG_0002.jpg")

	// Without roots, those that are recorded.
	w.opts.Roots = nil
	w.tag("IMG_0001.jpg", "red")
	mv(t, w.path("IMG_0001.jpg"), filepath.Join(other, "sub", "1.jpg"))
	require.Equal(t, [5]int{0, 0, 1, 0, 0}, w.sync())
	w.is("IMG_0002.jpg", "phone/IMG_0001.jpg", "phone/IMG_0002.jpg", "phone/sub/1.jpg: red")

	for _, bad := range []follow.Root{
		{Name: "sub", Dir: filepath.Join(other, "sub")}, // photos would be there twice
		{Name: "mine", Dir: w.dir},                      // it has a name already: none
	} {
		w.opts.Roots = []follow.Root{bad}
		_, err := w.try(t.Context())
		require.ErrorIs(t, err, follow.ErrRoot, bad)
	}
	w.opts.Roots = nil
	put(t, w.dir, "phone/x.jpg", "x")
	_, err = w.try(t.Context())
	require.ErrorIs(t, err, follow.ErrRoot)
	require.NoError(t, os.RemoveAll(w.path("phone")))

	// A folder that lies elsewhere now is followed there, one with other photos is not.
	elsewhere := filepath.Join(t.TempDir(), "moved")
	mv(t, other, elsewhere)
	w.opts.Roots = []follow.Root{{Name: "phone", Dir: elsewhere}}
	require.Equal(t, [5]int{0, 0, 0, 0, 0}, w.sync())
	w.opts.Roots = []follow.Root{{Name: "phone", Dir: newWorld(t, "IMG_0001.jpg").dir}}
	_, err = w.try(t.Context())
	require.ErrorIs(t, err, follow.ErrRoot)
	w.opts.AllowEmpty = true
	w.sync()
	w.is("IMG_0002.jpg", "phone/IMG_0001.jpg: red") // the same photo as phone/sub/1.jpg was
}

func TestParseRoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a=b")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for s, want := range map[string]follow.Root{
		"photos":       {Dir: "photos"},
		"phone=photos": {Name: "phone", Dir: "photos"},
		"/x/y=z":       {Dir: "/x/y=z"},
		dir:            {Dir: dir},
	} {
		got, err := follow.ParseRoot(s)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, s := range []string{"=x", "phone=", ".hidden=x"} {
		_, err := follow.ParseRoot(s)
		require.ErrorIs(t, err, follow.ErrRoot, s)
	}
}

func TestEmpty(t *testing.T) {
	w := newWorld(t)
	_, err := w.try(t.Context())
	require.ErrorIs(t, err, follow.ErrEmpty)
	require.NoFileExists(t, w.file)
	put(t, w.dir, "a.jpg", "a")
	put(t, w.dir, "locked/b.jpg", "b")
	w.sync()

	if os.Getuid() != 0 {
		require.NoError(t, os.Chmod(w.path("locked"), 0))
		require.Equal(t, [5]int{0, 0, 0, 0, 1}, w.sync())
		w.is("a.jpg", "locked/b.jpg")
		require.NoError(t, os.Chmod(w.path("locked"), 0o755))
	}
	require.NoError(t, os.Rename(w.dir, w.dir+".gone"))
	for _, make := range []func(){func() {}, func() { require.NoError(t, os.Mkdir(w.dir, 0o755)) }} {
		make()
		_, err := w.try(t.Context())
		require.ErrorIs(t, err, follow.ErrEmpty)
		require.ErrorContains(t, err, "mounted")
		w.is("a.jpg", "locked/b.jpg")
	}
	w.opts.AllowEmpty = true
	require.Equal(t, [5]int{0, 0, 0, 2, 0}, w.sync())
	w.is()
}

// An index that followed nothing is taken over, and one of another folder is not.
func TestAdopt(t *testing.T) {
	w := newWorld(t, "a.jpg", "b.jpg", "c.jpg")
	build := func(with bool) {
		b, err := index.NewBuilder(w.file, &index.BuildOptions{Match: index.F32})
		require.NoError(t, err)
		defer b.Close()
		for _, n := range []string{"a.jpg", "b.jpg", "c.jpg"} {
			it := index.Item{ID: n, Encoding: must(encode(w.path(n))), Tags: []string{"old"}}
			if with {
				it.State = must(follow.State(w.path(n)))
			}
			require.NoError(t, b.Add(t.Context(), it))
		}
		require.NoError(t, b.Finish(t.Context()))
	}
	build(false)
	mv(t, w.path("b.jpg"), w.path("e.jpg"))
	put(t, w.dir, "d.jpg", "d")
	require.Equal(t, [5]int{2, 0, 0, 1, 0}, w.sync(), "nobody knows what b.jpg was")
	w.is("a.jpg: old", "c.jpg: old", "d.jpg", "e.jpg")
	mv(t, w.path("a.jpg"), w.path("z.jpg"))
	require.Equal(t, [5]int{0, 0, 1, 0, 0}, w.sync())

	mv(t, w.path("z.jpg"), w.path("a.jpg"))
	mv(t, w.path("e.jpg"), w.path("b.jpg"))
	build(true)
	mv(t, w.path("b.jpg"), w.path("e.jpg"))
	put(t, w.dir, "a.jpg", "an edited photo")
	require.Equal(t, [5]int{1, 1, 1, 0, 0}, w.sync())
	w.is("a.jpg: old", "c.jpg: old", "d.jpg", "e.jpg: old")

	mv(t, w.path("e.jpg"), w.path("b.jpg"))
	build(true)
	w.opts.Roots[0].Dir = newWorld(t, "another-a.jpg", "another-b.jpg").dir
	_, err := w.try(t.Context())
	require.ErrorIs(t, err, follow.ErrRoot)
	w.is("a.jpg: old", "b.jpg: old", "c.jpg: old")
}

// What is done when work ends early is kept.
func TestInterrupted(t *testing.T) {
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("%02d.jpg", i))
	}
	w := newWorld(t, names...)
	ctx, cancel := context.WithCancel(t.Context())
	w.enc.each = func() {
		if len(w.enc.encoded) == 20 {
			cancel()
		}
	}
	s, err := w.try(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.GreaterOrEqual(t, s.Items, 19)
	require.Equal(t, s.Added, s.Items)
	w.enc.each = nil
	done := s.Items

	lost := errors.New("device lost")
	w.enc.stopAt, w.enc.err = 11, lost
	s, err = w.try(t.Context())
	require.ErrorIs(t, err, lost)
	require.Equal(t, done+10, s.Items)
	w.enc.stopAt = 0
	require.Equal(t, [5]int{50 - done - 10, 0, 0, 0, 0}, w.sync())

	// Commits come in between: a reader sees them.
	var seen []int
	w = newWorld(t, names...)
	w.opts.CommitItems = 10
	w.opts.Committed = func() {
		ix, err := index.Open(w.file, nil)
		require.NoError(t, err)
		seen = append(seen, ix.Len())
		require.NoError(t, ix.Close())
	}
	w.sync()
	require.Equal(t, []int{0, 10, 20, 30, 40, 50}, seen)
}

func TestExcludeIsRemembered(t *testing.T) {
	w := newWorld(t, "a.jpg", "draft-b.jpg", "@eaDir/c.jpg")
	w.opts.Walk = &source.WalkOptions{Exclude: []string{"draft-*"}}
	w.sync()
	w.is("a.jpg")
	w.opts.Walk, w.opts.Roots = nil, nil
	require.Equal(t, [5]int{}, w.sync())
	w.opts.Walk = &source.WalkOptions{}
	require.Equal(t, [5]int{1, 0, 0, 0, 0}, w.sync())
}

func TestForeignState(t *testing.T) {
	w := newWorld(t, "a.jpg")
	w.opts.Index.State = []byte("something else")
	b, err := index.NewBuilder(w.file, &w.opts.Index)
	require.NoError(t, err)
	require.NoError(t, b.Add(t.Context(), index.Item{ID: "a.jpg", Encoding: must(encode(w.path("a.jpg")))}))
	require.NoError(t, b.Finish(t.Context()))
	_, err = w.try(t.Context())
	require.ErrorIs(t, err, follow.ErrRoot)
}
