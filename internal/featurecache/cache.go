package featurecache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/aladin-go/aladin/internal/mapped"
	"github.com/aladin-go/aladin/internal/region"
)

// errClosed is returned by a closed cache.
var errClosed = errors.New("feature cache is closed")

// A Cache is a complete cache file. It is safe for concurrent use; what Load returns is the caller's.
type Cache struct {
	path  string
	shape Shape
	file  *mapped.File
	index []byte // offsets

	mu     sync.RWMutex // held for reading while the mapping is read
	closed bool
}

// Open opens the cache at path if it was made with this key.
func Open(path string, key Key) (_ *Cache, err error) {
	f, err := mapped.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
		}
	}()
	b := f.Bytes()
	c := &Cache{path: path, file: f}
	var found Key
	if c.shape, found, err = parseHeader(b); err != nil {
		return nil, err
	}
	if found != key {
		return nil, ErrKey
	}
	if c.index, err = parseIndex(b, c.shape); err != nil {
		return nil, err
	}
	return c, nil
}

// parseIndex finds the offsets by the trailer.
func parseIndex(b []byte, s Shape) ([]byte, error) {
	le := binary.LittleEndian
	want := 8 * (uint64(s.Items)*uint64(s.Views) + 1)
	if uint64(len(b)) < headerSize+want+trailerSize {
		return nil, fmt.Errorf("%w: %d bytes cannot hold %d items", ErrCorrupt, len(b), s.Items)
	}
	trailer := b[len(b)-trailerSize:]
	end := uint64(len(b) - trailerSize)
	at := le.Uint64(trailer)
	if string(trailer[12:]) != endMagic || at != end-want {
		return nil, fmt.Errorf("%w: its end is missing", ErrCorrupt)
	}
	index := b[at:end]
	if crc32.Checksum(index, table) != le.Uint32(trailer[8:]) {
		return nil, fmt.Errorf("%w: checksum of the offsets", ErrCorrupt)
	}
	last := uint64(headerSize)
	for k := 0; k < len(index); k += 8 {
		o := le.Uint64(index[k:])
		if o < last || o > at || k == 0 && o != headerSize {
			return nil, fmt.Errorf("%w: offset %d", ErrCorrupt, k/8)
		}
		last = o
	}
	return index, nil
}

// Path is the file's name.
func (c *Cache) Path() string { return c.path }

// Len is the number of items, skipped ones included.
func (c *Cache) Len() int { return c.shape.Items }

// Views is the number of views an item has.
func (c *Cache) Views() int { return c.shape.Views }

// Dim is the number of features a region has.
func (c *Cache) Dim() int { return c.shape.Dim }

// Close unmaps the file, once calls under way have ended.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.file.Close()
}

// Load is a view of item i.
func (c *Cache) Load(i, view int) (*region.Set, error) {
	set, err := c.load(i, view)
	if err != nil {
		return nil, fmt.Errorf("%s: item %d, view %d: %w", c.path, i, view, err)
	}
	if set.Len() == 0 && len(set.Tags) == 1 {
		return nil, fmt.Errorf("%s: item %d was left out: %s", c.path, i, set.Tags[0])
	}
	return set, nil
}

// Skipped is why item i was left out, or "".
func (c *Cache) Skipped(i int) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b, err := c.chunk(i, 0)
	if err != nil || len(b) < chunkHead+4 || binary.LittleEndian.Uint32(b[chunkHead:]) != 0 {
		return ""
	}
	if b, err = chunk(b); err != nil {
		return ""
	}
	set, err := c.shape.parse(b)
	if err != nil || len(set.Tags) != 1 {
		return ""
	}
	return set.Tags[0]
}

func (c *Cache) load(i, view int) (*region.Set, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b, err := c.chunk(i, view)
	if err != nil {
		return nil, err
	}
	if b, err = chunk(b); err != nil {
		return nil, err
	}
	return c.shape.parse(b)
}

// chunk is the bytes of a chunk with its head, unchecked.
func (c *Cache) chunk(i, view int) ([]byte, error) {
	if c.closed {
		return nil, errClosed
	}
	if i < 0 || i >= c.shape.Items || view < 0 || view >= c.shape.Views {
		return nil, fmt.Errorf("%w: there are %d items of %d views", ErrInvalid, c.shape.Items, c.shape.Views)
	}
	at := 8 * (i*c.shape.Views + view)
	from, to := binary.LittleEndian.Uint64(c.index[at:]), binary.LittleEndian.Uint64(c.index[at+8:])
	return c.file.Bytes()[from:to], nil
}
