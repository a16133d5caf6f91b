package index

import (
	"bytes"
	"cmp"
	"fmt"
	"sync"

	"github.com/aladin-go/aladin/format"
	"github.com/aladin-go/aladin/internal/container"
	"github.com/aladin-go/aladin/internal/lru"
)

// snapshot is one commit of a file, mapped. It counts its users and is unmapped
// when the last one is done.
type snapshot struct {
	r        *container.Reader
	store    *store
	segments []*segment
	items    int
	cache    *lru.Cache[blockKey, []byte] // of decompressed record blocks

	mu     sync.Mutex
	users  int
	closed chan struct{} // closed when unmapped
	err    error         // of unmapping
}

type blockKey struct{ seg, block int }

// openSnapshot opens the current commit with one user.
func openSnapshot(fs format.FS, path string, cacheBytes int64) (*snapshot, error) {
	r, err := container.Open(fs, path)
	if err != nil {
		return nil, err
	}
	sn := &snapshot{r: r, users: 1, closed: make(chan struct{}), cache: lru.New[blockKey, []byte](cacheBytes)}
	err = guard(path, sn.open)
	if err != nil {
		sn.release()
		return nil, err
	}
	return sn, nil
}

func (sn *snapshot) open() (err error) {
	if sn.store, err = openStore(sn.r); err != nil {
		return fmt.Errorf("%s: %w", sn.r.Name(), err)
	}
	m := sn.r.Manifest()
	for i := range m.Segments {
		s, err := openSegment(sn.r, sn.store, &m.Segments[i])
		if err != nil {
			return fmt.Errorf("%s: segment %d: %w", sn.r.Name(), i, err)
		}
		sn.segments = append(sn.segments, s)
		sn.items += s.liveCount()
	}
	return nil
}

// acquire adds a user, unless the snapshot is gone already.
func (sn *snapshot) acquire() bool {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	if sn.users == 0 {
		return false
	}
	sn.users++
	return true
}

func (sn *snapshot) release() {
	sn.mu.Lock()
	sn.users--
	last := sn.users == 0
	sn.mu.Unlock()
	if !last {
		return
	}
	sn.err = sn.r.Close()
	close(sn.closed)
}

// find looks up a live id.
func (sn *snapshot) find(id string) (location, error) {
	for i := len(sn.segments) - 1; i >= 0; i-- {
		row, ok, err := sn.segments[i].find(id)
		if err != nil {
			return location{}, err
		}
		if ok && sn.segments[i].isLive(row) {
			return location{i, int(row)}, nil
		}
	}
	return location{}, fmt.Errorf("%q in %s: %w", id, sn.r.Name(), ErrNotFound)
}

// compareIDs orders two rows of the snapshot by id.
func (sn *snapshot) compareIDs(segA, rowA, segB, rowB int) int {
	a, errA := sn.segments[segA].id(rowA)
	b, errB := sn.segments[segB].id(rowB)
	if errA != nil || errB != nil {
		return cmp.Or(cmp.Compare(segA, segB), cmp.Compare(rowA, rowB))
	}
	return bytes.Compare(a, b)
}

// record returns the texts of a row.
func (sn *snapshot) record(seg, row int) (record, error) {
	b, err := sn.rawRecord(seg, row)
	if err != nil {
		return record{}, err
	}
	return decodeRecord(b)
}

// rawRecord returns a row's record as it was encoded. It belongs to the cache or the file.
func (sn *snapshot) rawRecord(seg, row int) ([]byte, error) {
	s := sn.segments[seg]
	if rec, _, ok, err := s.edit(row); ok || err != nil {
		return rec, err
	}
	block := row / format.RecordsPerBlock
	raw, ok := sn.cache.Get(blockKey{seg, block})
	if !ok { // two callers may decode the same block at once; that costs time, no harm
		b, err := s.recordBlock(block)
		if err != nil || b == nil {
			return nil, err
		}
		if raw, err = sn.store.records.decode(b); err != nil {
			return nil, err
		}
		sn.cache.Put(blockKey{seg, block}, raw, int64(len(raw)))
	}
	r := recordReader{b: raw}
	for range row % format.RecordsPerBlock {
		r.bytes(r.uvarint())
	}
	b := r.bytes(r.uvarint())
	if r.bad {
		return nil, fmt.Errorf("record of row %d is not in its block: %w", row, ErrCorrupt)
	}
	return b, nil
}
