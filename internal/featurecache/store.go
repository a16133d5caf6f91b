package featurecache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/aladin-go/aladin/internal/region"
)

// DefaultLimit is how many bytes a folder may have.
const DefaultLimit = 20e9

// packSize is where a pack is full, and the next one begins. Tests make it small.
var packSize int64 = 256 << 20

var (
	errClosed = errors.New("the store of regions is closed")
	errFrozen = errors.New("the store of regions is read only by now")
	errThawed = errors.New("the store of regions is not ready to be read")
)

// A Ref is where a photo's regions are in a store.
type Ref struct {
	pack int
	at   int64
}

// A Store is the regions that one extractor made of photos.
type Store struct {
	dir       string
	extractor Key
	shape     Shape
	limit     int64

	packs   []*pack
	content map[Key]Ref
	stamps  map[Key]Ref
	lock    *flock.Flock // nil: another process may write
	buf     []byte

	mu     sync.RWMutex // held for reading while the mappings are read
	frozen bool
	closed bool
}

// Open opens the store of an extractor in a folder, which is made if there is none. Files of version 1 there, which nothing
// reads any more, are removed. limit bounds the bytes of the folder; 0 is DefaultLimit.
func Open(dir string, extractor Key, shape Shape, limit int64) (_ *Store, err error) {
	if err := shape.check(); err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = DefaultLimit
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	removeOld(dir)
	s := &Store{dir: dir, extractor: extractor, shape: shape, limit: limit, content: map[Key]Ref{}, stamps: map[Key]Ref{}}
	if err := s.scan(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// scan finds what packs have that it did not find before.
func (s *Store) scan() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var numbers []int
	for _, e := range entries {
		if n, ok := packNumber(s.extractor, e.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for k, n := range numbers {
		i := slices.IndexFunc(s.packs, func(p *pack) bool { return p.number == n })
		if i < 0 {
			p, err := openPack(s.dir, n, s.shape, s.extractor)
			if errors.Is(err, os.ErrNotExist) || err == nil && p == nil {
				continue // removed meanwhile, or not one yet
			}
			if err != nil {
				return err
			}
			i, s.packs = len(s.packs), append(s.packs, p)
		}
		err := s.packs[i].scan(s.shape, k == len(numbers)-1, func(at int64, content, stamp Key) { s.index(Ref{i, at}, content, stamp) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) index(r Ref, content, stamp Key) {
	s.content[content] = r
	s.stamps[stamp] = r
}

// ByStamp finds a photo by the hash of its path, size and time.
func (s *Store) ByStamp(stamp Key) (Ref, bool) {
	r, ok := s.stamps[stamp]
	return r, ok && s.use(r)
}

// ByContent finds a photo by the hash of what its file holds.
func (s *Store) ByContent(content Key) (Ref, bool) {
	r, ok := s.content[content]
	return r, ok && s.use(r)
}

// use marks the pack as one that must stay.
func (s *Store) use(r Ref) bool {
	p := s.packs[r.pack]
	if !p.used {
		p.used = true
		now := time.Now()
		_ = os.Chtimes(p.path, now, now) // read-only folders have no bound to keep
	}
	return true
}

// Lock lets this process alone add photos, from now until Freeze or Close, and finds what others added before. It waits for
// them.
func (s *Store) Lock(ctx context.Context) error {
	if s.lock != nil {
		return nil
	}
	// The lock's file stays: removing it would let two processes hold two of them.
	lock := flock.New(filepath.Join(s.dir, prefix(s.extractor)+".lock"))
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return fmt.Errorf("waiting for the lock %s: %w", lock.Path(), err)
	}
	s.lock = lock
	return s.scan()
}

// Locked says whether Lock was called.
func (s *Store) Locked() bool { return s.lock != nil }

// Add keeps the regions of a photo, one set a view. Lock comes first.
func (s *Store) Add(content, stamp Key, sets []*region.Set) (Ref, error) {
	switch {
	case s.frozen || s.lock == nil:
		return Ref{}, errFrozen
	case len(sets) != s.shape.Views:
		return Ref{}, fmt.Errorf("%w: %d views, want %d", ErrInvalid, len(sets), s.shape.Views)
	}
	b := append(s.buf[:0], make([]byte, recordHead)...)
	for v, set := range sets {
		if set.Len() == 0 || set.Dim != s.shape.Dim {
			return Ref{}, fmt.Errorf("%w: view %d has %d regions of %d features, want %d", ErrInvalid, v, set.Len(), set.Dim, s.shape.Dim)
		}
		if err := set.Validate(); err != nil {
			return Ref{}, err
		}
		before := len(b)
		if b = s.shape.appendChunk(b, set); len(b)-before > maxChunk || len(b) > 2*maxChunk {
			return Ref{}, fmt.Errorf("%w: %d bytes in one photo", ErrInvalid, len(b))
		}
	}
	s.buf = b
	recordHeader(b, len(b)-recordHead, content, stamp)
	i, err := s.writable()
	if err != nil {
		return Ref{}, err
	}
	p := s.packs[i]
	r := Ref{i, p.end}
	if _, err := p.file.WriteAt(b, p.end); err != nil {
		return Ref{}, fmt.Errorf("keeping regions in %s: %w", s.dir, err)
	}
	p.end += int64(len(b))
	s.index(r, content, stamp)
	s.use(r)
	return r, nil
}

// writable is the pack that records are appended to: the one with the largest number, cut behind its last whole record, or a
// new one.
func (s *Store) writable() (int, error) {
	number := 1
	if len(s.packs) > 0 {
		i := slices.IndexFunc(s.packs, func(p *pack) bool { return p.number == s.newest() })
		p := s.packs[i]
		if p.end < packSize && p.file.Truncate(p.end) == nil {
			return i, nil
		}
		if err := p.file.Sync(); err != nil {
			return 0, err
		}
		number = p.number + 1
		if err := s.bound(); err != nil {
			return 0, err
		}
	}
	p, err := createPack(s.dir, number, s.shape, s.extractor)
	if err != nil {
		return 0, fmt.Errorf("keeping regions in %s: %w", s.dir, err)
	}
	s.packs = append(s.packs, p)
	return len(s.packs) - 1, nil
}

func (s *Store) newest() int {
	n := 0
	for _, p := range s.packs {
		n = max(n, p.number)
	}
	return n
}

// Freeze ends finding and adding, lets other processes add, holds the folder within its bound, and makes ready for Load.
func (s *Store) Freeze() error {
	if s.frozen {
		return nil
	}
	if s.lock != nil {
		for _, p := range s.packs {
			if p.number == s.newest() {
				if err := p.file.Sync(); err != nil {
					return err
				}
			}
		}
	}
	err := s.bound()
	for _, p := range s.packs {
		if p.used {
			err = errors.Join(err, p.freeze())
		} else {
			err = errors.Join(err, p.close())
		}
	}
	s.content, s.stamps, s.buf, s.frozen = nil, nil, nil, true
	return errors.Join(err, s.unlock())
}

func (s *Store) unlock() error {
	if s.lock == nil {
		return nil
	}
	err := s.lock.Close()
	s.lock = nil
	return err
}

// Dim is the number of features a region has.
func (s *Store) Dim() int { return s.shape.Dim }

// Load is a view of a photo. The set is the caller's.
func (s *Store) Load(r Ref, view int) (*region.Set, error) {
	set, path, err := s.load(r, view)
	if err != nil {
		return nil, fmt.Errorf("%s: record at %d, view %d: %w", path, r.at, view, err)
	}
	return set, nil
}

func (s *Store) load(r Ref, view int) (*region.Set, string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return nil, s.dir, errClosed
	case !s.frozen:
		return nil, s.dir, errThawed
	case r.pack < 0 || r.pack >= len(s.packs) || s.packs[r.pack].mapped == nil || view < 0 || view >= s.shape.Views:
		return nil, s.dir, fmt.Errorf("%w: no such photo or view", ErrInvalid)
	}
	p := s.packs[r.pack]
	b, err := p.record(r.at)
	if err != nil {
		return nil, p.path, err
	}
	for range view {
		if len(b) < chunkHead || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-chunkHead) {
			return nil, p.path, ErrCorrupt
		}
		b = b[chunkHead+int(binary.LittleEndian.Uint32(b)):]
	}
	if b, err = chunk(b); err != nil {
		return nil, p.path, err
	}
	set, err := s.shape.parse(b)
	return set, p.path, err
}

// Close ends everything, once calls of Load under way have ended.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	for _, p := range s.packs {
		err = errors.Join(err, p.close())
	}
	return errors.Join(err, s.unlock())
}
