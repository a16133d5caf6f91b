package serve

import (
	"container/list"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/picture"
)

// diskCache keeps small files in a folder, bounded in bytes; the least recently
// used go first. A nil diskCache keeps nothing. Errors are misses: a cache that
// cannot be written must not stop anybody from seeing photos.
type diskCache struct {
	dir string
	max int64

	mu      sync.Mutex
	used    int64
	order   list.List // of diskEntry, the latest first
	entries map[string]*list.Element
}

type diskEntry struct {
	key  string
	size int64
}

const diskSuffix = ".thumb.jpg"

// openDiskCache takes over what an earlier process left in the folder.
func openDiskCache(dir string, maxBytes int64) (*diskCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &diskCache{dir: dir, max: maxBytes, entries: make(map[string]*list.Element)}
	type old struct {
		diskEntry
		used time.Time
	}
	var olds []old
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		key, ours := strings.CutSuffix(d.Name(), diskSuffix)
		info, err := d.Info()
		if !ours || err != nil || !info.Mode().IsRegular() || p != c.path(key) {
			return nil
		}
		olds = append(olds, old{diskEntry{key, info.Size()}, info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(olds, func(a, b old) int { return a.used.Compare(b.used) })
	for _, o := range olds {
		c.entries[o.key] = c.order.PushFront(o.diskEntry)
		c.used += o.size
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trim(0)
	return c, nil
}

func (c *diskCache) path(key string) string {
	return filepath.Join(c.dir, key[:min(2, len(key))], key+diskSuffix)
}

func (c *diskCache) get(key string) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	e, ok := c.entries[key]
	if ok {
		c.order.MoveToFront(e)
	}
	c.mu.Unlock()
	if !ok {
		return nil, false
	}
	p := c.path(key)
	b, err := os.ReadFile(p)
	if err != nil || picture.Sniff(b) != picture.JPEG {
		c.mu.Lock()
		defer c.mu.Unlock()
		if e, ok := c.entries[key]; ok {
			c.remove(e)
		}
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(p, now, now) // the next process sorts by it
	return b, true
}

func (c *diskCache) put(key string, b []byte) {
	if c == nil || int64(len(b)) > c.max {
		return
	}
	p := c.path(key)
	if os.MkdirAll(filepath.Dir(p), 0o700) != nil {
		return
	}
	if atomicfile.Write(p, func(w io.Writer) error { _, err := w.Write(b); return err }) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok {
		c.used -= c.order.Remove(e).(diskEntry).size
		delete(c.entries, key)
	}
	c.trim(int64(len(b)))
	c.entries[key] = c.order.PushFront(diskEntry{key, int64(len(b))})
	c.used += int64(len(b))
}

// trim makes room for so many bytes.
func (c *diskCache) trim(room int64) {
	for c.used+room > c.max && c.order.Len() > 0 {
		c.remove(c.order.Back())
	}
}

func (c *diskCache) remove(e *list.Element) {
	old := c.order.Remove(e).(diskEntry)
	delete(c.entries, old.key)
	c.used -= old.size
	_ = os.Remove(c.path(old.key))
}
