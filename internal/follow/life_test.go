package follow_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/faultfs"
	"github.com/aladin-go/aladin/internal/follow"
)

var (
	seed  = flag.Uint64("life.seed", 0, "the one life to lead; 0 leads those that are kept")
	steps = flag.Int("life.steps", 500, "operations of a life")
)

// seeds are lives that are led each time: the first, and those that found a mistake.
var seeds = []uint64{1, 2, 3}

// After whatever happens to a folder, the index is what a fresh one would be, with the tags that people gave.
func TestLife(t *testing.T) {
	if testing.Short() {
		*steps = min(*steps, 60)
	}
	if *seed != 0 {
		seeds = []uint64{*seed}
	}
	for _, s := range seeds {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			newLife(t, s).lead(*steps)
		})
	}
}

// photo is what should be known of one.
type photo struct {
	content string
	tags    []string
}

// life is two folders, their index on a disk that may fail, and what people know of both.
type life struct {
	t      *testing.T
	rng    *rand.Rand
	roots  []follow.Root
	disk   *faultfs.FS
	photos map[string]photo // by id
	gone   map[string]bool  // ids deleted since the last sync: what is put there would be an edited photo
	n      int
	log    []string
}

const lifeFile = "life.aladin"

func newLife(t *testing.T, seed uint64) *life {
	l := &life{t: t, rng: rand.New(rand.NewPCG(seed, 16)), disk: faultfs.New(), photos: map[string]photo{}}
	l.roots = []follow.Root{{Dir: t.TempDir()}, {Name: "phone", Dir: t.TempDir()}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.log[max(0, len(l.log)-40):])
		}
	})
	return l
}

func (l *life) options() *follow.Options {
	return &follow.Options{Roots: l.roots, AllowEmpty: true, CommitItems: 3, Index: index.BuildOptions{Match: index.F32, FS: l.disk}}
}

func (l *life) sync() error {
	_, err := follow.Sync(context.Background(), lifeFile, &encoder{}, l.options())
	return err
}

func (l *life) lead(steps int) {
	for range 6 {
		l.add()
	}
	require.NoError(l.t, l.sync())
	for i := range steps {
		l.gone = map[string]bool{}
		switch l.rng.IntN(12) {
		case 0, 1:
			for range 1 + l.rng.IntN(8) {
				l.add()
			}
		case 2:
			l.edit()
		case 3, 4:
			for range 1 + l.rng.IntN(3) { // with no sync in between: circles and chains
				l.rename()
			}
		case 5:
			l.renameFolder()
		case 6:
			l.delete()
		case 7, 8:
			l.retag()
		case 9:
			l.swap()
		case 10:
			l.add()
			l.rename()
			l.killed()
		case 11:
			l.rename()
			l.add()
			l.twice()
		}
		if err := l.sync(); err != nil {
			require.NoError(l.t, err, "step %d", i)
		}
		l.check(i)
	}
}

// where is the path of an id.
func (l *life) where(id string) string {
	if rest, ok := cutRoot(id); ok {
		return filepath.Join(l.roots[1].Dir, rest)
	}
	return filepath.Join(l.roots[0].Dir, id)
}

func cutRoot(id string) (string, bool) {
	if len(id) > 6 && id[:6] == "phone/" {
		return id[6:], true
	}
	return "", false
}

func (l *life) note(format string, args ...any) { l.log = append(l.log, fmt.Sprintf(format, args...)) }

// content is one that no other photo has. Lengths repeat.
func (l *life) content() string {
	l.n++
	return fmt.Sprintf("photo %06d%*d", l.n, 1+l.rng.IntN(3), 0)
}

// place is a free one, or any.
func (l *life) place(free bool) string {
	for {
		id := path.Join([]string{"", "phone"}[l.rng.IntN(2)], []string{"", "a", "b", "a/b", "c"}[l.rng.IntN(5)], fmt.Sprintf("%d.jpg", l.rng.IntN(12)))
		if _, taken := l.photos[id]; !l.gone[id] && (!taken || !free) {
			return id
		}
	}
}

// some is a photo, or "".
func (l *life) some() string {
	ids := slices.Sorted(maps.Keys(l.photos))
	if len(ids) == 0 {
		return ""
	}
	return ids[l.rng.IntN(len(ids))]
}

func (l *life) write(id, content string) {
	if l.rng.IntN(8) == 0 { // as new as can be
		p := l.where(id)
		require.NoError(l.t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(l.t, os.WriteFile(p, []byte(content), 0o600))
		return
	}
	l.put(id, content)
}

var ageLock sync.Mutex

func (l *life) put(id, content string) {
	ageLock.Lock()
	defer ageLock.Unlock()
	put(l.t, "/", l.where(id), content)
}

func (l *life) add() {
	if len(l.photos) > 60 {
		l.delete()
		return
	}
	id, c := l.place(true), l.content()
	l.note("add %s", id)
	l.write(id, c)
	l.photos[id] = photo{content: c}
}

func (l *life) edit() {
	if id := l.some(); id != "" {
		l.note("edit %s", id)
		p := l.photos[id]
		p.content = l.content()
		l.write(id, p.content)
		l.photos[id] = p
	}
}

func (l *life) rename() {
	from, to := l.some(), l.place(l.rng.IntN(4) > 0)
	if from == "" || from == to {
		return
	}
	l.note("rename %s %s", from, to)
	mv(l.t, l.where(from), l.where(to))
	l.photos[to] = l.photos[from]
	delete(l.photos, from)
}

// renameFolder moves a folder, with all in it, to a new place, perhaps below the other root.
func (l *life) renameFolder() {
	id := l.some()
	dir := path.Dir(id)
	if id == "" || dir == "." || dir == "phone" {
		return
	}
	l.n++
	to := path.Join([]string{"", "phone"}[l.rng.IntN(2)], fmt.Sprintf("folder%d", l.n))
	l.note("rename folder %s %s", dir, to)
	mv(l.t, l.where(dir), l.where(to))
	for _, id := range slices.Sorted(maps.Keys(l.photos)) {
		if rel, err := filepath.Rel(dir, id); err == nil && filepath.IsLocal(rel) {
			l.photos[path.Join(to, rel)] = l.photos[id]
			delete(l.photos, id)
		}
	}
}

func (l *life) delete() {
	if id := l.some(); id != "" {
		l.note("delete %s", id)
		require.NoError(l.t, os.Remove(l.where(id)))
		delete(l.photos, id)
		l.gone[id] = true
	}
}

func (l *life) swap() {
	a, b := l.some(), l.some()
	if a == b {
		return
	}
	l.note("swap %s %s", a, b)
	aside := l.where(a) + ".aside"
	mv(l.t, l.where(a), aside)
	mv(l.t, l.where(b), l.where(a))
	mv(l.t, aside, l.where(b))
	l.photos[a], l.photos[b] = l.photos[b], l.photos[a]
}

func (l *life) retag() {
	id := l.some()
	if id == "" {
		return
	}
	p := l.photos[id]
	p.tags = nil
	for _, tag := range []string{"blue", "green", "red"} {
		if l.rng.IntN(2) == 0 {
			p.tags = append(p.tags, tag)
		}
	}
	l.note("retag %s %v", id, p.tags)
	require.NoError(l.t, retag(lifeFile, id, p.tags, &index.BuildOptions{FS: l.disk}))
	l.photos[id] = p
}

// killed runs a sync that is killed at some point, by which a disk may have lost what was not flushed.
func (l *life) killed() {
	at := l.disk.Ops() + l.rng.IntN(30)
	l.note("kill at %d", at)
	l.disk.FailAt(at, errors.New("killed"))
	_ = l.sync()
	l.disk.Heal()
	crashed := l.disk.Crash(min(at, l.disk.Ops()), faultfs.RandomFate(l.rng.Uint64()))
	b, err := crashed.ReadFile(lifeFile)
	require.NoError(l.t, err)
	l.disk = faultfs.New()
	f, err := l.disk.Create(lifeFile)
	require.NoError(l.t, err)
	_, err = f.WriteAt(b, 0)
	require.NoError(l.t, err)
	require.NoError(l.t, f.Sync())
	require.NoError(l.t, l.disk.SyncDir("."))
	require.NoError(l.t, f.Close())
}

// twice runs two syncs at once: one of them may find the file locked.
func (l *life) twice() {
	l.note("two at once")
	var wg sync.WaitGroup
	var errs [2]error
	for i := range errs {
		wg.Go(func() { errs[i] = l.sync() })
	}
	wg.Wait()
	for _, err := range errs {
		if !errors.Is(err, index.ErrLocked) {
			require.NoError(l.t, err)
		}
	}
}

// check compares the index with one that is built of the folders as they are.
func (l *life) check(step int) {
	t := l.t
	got, want := l.index(lifeFile, l.disk), l.fresh()
	defer got.Close()
	defer want.Close()
	require.NoError(t, got.Verify(t.Context(), nil))
	require.Equal(t, want.Len(), got.Len(), "step %d", step)
	for id, err := range want.IDs(t.Context()) {
		require.NoError(t, err)
		w, err := want.Item(t.Context(), id)
		require.NoError(t, err)
		g, err := got.Item(t.Context(), id)
		require.NoError(t, err, "step %d", step)
		require.Equal(t, w.Encoding, g.Encoding, "step %d, %s", step, id)
		require.Equal(t, w.Tags, g.Tags, "step %d, %s", step, id)
	}
}

func (l *life) index(file string, disk format.FS) *index.Index {
	ix, err := index.Open(file, &index.Options{FS: disk})
	require.NoError(l.t, err)
	return ix
}

func (l *life) fresh() *index.Index {
	t := l.t
	disk := faultfs.New()
	b, err := index.NewBuilder("fresh", &index.BuildOptions{Match: index.F32, FS: disk, Model: "fake"})
	require.NoError(t, err)
	defer b.Close()
	for _, id := range slices.Sorted(maps.Keys(l.photos)) {
		p := l.photos[id]
		enc, err := encode(l.where(id))
		require.NoError(t, err)
		require.Equal(t, vector([]byte(p.content)), enc.Matching) // the folder is what we think it is
		require.NoError(t, b.Add(t.Context(), index.Item{ID: id, Encoding: enc, Tags: p.tags}))
	}
	require.NoError(t, b.Finish(t.Context()))
	return l.index("fresh", disk)
}
