// Package faultfs has a file system in memory that does to an index file what
// crashes, full disks and bad ones do. Every change is logged; [FS.Crash] gives the disk as
// it may be found after a crash at any point of the log: what was synced is
// there, of what was not any part may be, in any order.
package faultfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"

	"github.com/aladin-go/aladin/format"
)

// FS implements format.FS in memory. It is safe for concurrent use.
type FS struct {
	mu     sync.Mutex
	names  map[string]*inode
	locks  map[string]bool
	log    []op
	failAt map[int]error

	reads    int // so far
	failRead int // the first read that fails
	readErr  error
	atMost   int // bytes of one read; 0 is no bound
	readOnly bool
}

type inode struct {
	data []byte
}

type opKind uint8

const (
	opCreate opKind = iota
	opWrite
	opTruncate
	opSync
	opRename
	opRemove
	opSyncDir
)

type op struct {
	kind opKind
	node *inode // identity only
	name string
	to   string
	off  int64
	data []byte
}

// New returns an empty file system.
func New() *FS {
	return &FS{names: make(map[string]*inode), locks: make(map[string]bool), failAt: make(map[int]error)}
}

// Ops is the number of changes logged so far.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.log)
}

// FailAt makes the change with this number, and all after it, fail with err; the
// failing write may leave half its bytes, as on a full disk.
func (f *FS) FailAt(op int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt[op] = err
}

// Heal undoes FailAt.
func (f *FS) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.failAt)
}

// FailReads makes all reads fail with err, from the n-th from now on; a nil err heals.
func (f *FS) FailReads(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failRead, f.readErr = f.reads+n, err
}

// Reads is the number of reads so far.
func (f *FS) Reads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

// ShortReads makes every read return at most n bytes, without an error, as network file systems may.
func (f *FS) ShortReads(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atMost = n
}

// ReadOnly makes every change, and opening for one, fail as on a disk that is mounted read-only.
func (f *FS) ReadOnly() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readOnly = true
}

// ReadFile returns a copy of a file's bytes.
func (f *FS) ReadFile(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(n.data), nil
}

// WriteFile makes a file with these bytes, without logging it.
func (f *FS) WriteFile(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names[name] = &inode{data: slices.Clone(data)}
}

// Fate says what becomes of a change that was not synced before the crash.
type Fate uint8

// Fates.
const (
	Kept Fate = iota
	Lost
	Torn // a write of which a part arrived
)

// Crash returns the disk after a crash just before change n: changes that were
// synced by then are in place, and fate decides for each of the others. Locks
// are free, since their holders are dead.
func (f *FS) Crash(n int, fate func(op int) Fate) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	synced := make([]bool, n)
	for i, o := range f.log[:n] {
		switch o.kind {
		case opSync:
			for j := range i {
				if f.log[j].node == o.node && (f.log[j].kind == opWrite || f.log[j].kind == opTruncate) {
					synced[j] = true
				}
			}
		case opSyncDir:
			for j := range i {
				switch f.log[j].kind {
				case opCreate, opRename, opRemove:
					synced[j] = true
				}
			}
		}
	}
	disk := New()
	nodes := make(map[*inode]*inode)
	at := func(old *inode) *inode {
		if nodes[old] == nil {
			nodes[old] = &inode{}
		}
		return nodes[old]
	}
	for i, o := range f.log[:n] {
		how := Kept
		if !synced[i] {
			how = fate(i)
		}
		if how == Lost {
			continue
		}
		switch o.kind {
		case opCreate:
			disk.names[o.name] = at(o.node)
		case opWrite:
			data := o.data
			if how == Torn {
				data = data[:len(data)/2]
			}
			at(o.node).write(data, o.off)
		case opTruncate:
			at(o.node).truncate(o.off)
		case opRename:
			if disk.names[o.name] == at(o.node) {
				delete(disk.names, o.name)
			}
			disk.names[o.to] = at(o.node)
		case opRemove:
			delete(disk.names, o.name)
		}
	}
	return disk
}

// RandomFate gives each change one of the fates, by chance but repeatably.
func RandomFate(seed uint64) func(int) Fate {
	return func(op int) Fate {
		return Fate(rand.New(rand.NewPCG(seed, uint64(op))).IntN(3))
	}
}

// Always gives every change the same fate.
func Always(f Fate) func(int) Fate { return func(int) Fate { return f } }

func (n *inode) write(b []byte, off int64) {
	if end := off + int64(len(b)); end > int64(len(n.data)) {
		n.data = append(n.data, make([]byte, end-int64(len(n.data)))...)
	}
	copy(n.data[off:], b)
}

func (n *inode) truncate(size int64) {
	if size <= int64(len(n.data)) {
		n.data = slices.Clone(n.data[:size])
		return
	}
	n.data = append(n.data, make([]byte, size-int64(len(n.data)))...)
}

func (f *FS) node(name string) (*inode, error) {
	n := f.names[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// change logs o unless it is to fail. It is called with the lock held.
func (f *FS) change(o op) error {
	if f.readOnly {
		return &fs.PathError{Op: "write", Path: o.name, Err: syscall.EROFS}
	}
	for at, err := range f.failAt {
		if len(f.log) >= at {
			if o.kind == opWrite {
				half := o.data[:len(o.data)/2]
				o.node.write(half, o.off)
			}
			return err
		}
	}
	f.log = append(f.log, o)
	return nil
}

// Open implements format.FS.
func (f *FS) Open(name string) (format.File, error) { return f.open(name, false) }

// OpenWritable implements format.FS.
func (f *FS) OpenWritable(name string) (format.File, error) { return f.open(name, true) }

func (f *FS) open(name string, writable bool) (format.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(name)
	if err != nil {
		return nil, err
	}
	if writable && f.readOnly {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EROFS}
	}
	return &file{fs: f, node: n, writable: writable}, nil
}

// Create implements format.FS.
func (f *FS) Create(name string) (format.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := &inode{}
	if err := f.change(op{kind: opCreate, node: n, name: name}); err != nil {
		return nil, err
	}
	f.names[name] = n
	return &file{fs: f, node: n, writable: true}, nil
}

// Rename implements format.FS.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(from)
	if err != nil {
		return err
	}
	if err := f.change(op{kind: opRename, node: n, name: from, to: to}); err != nil {
		return err
	}
	delete(f.names, from)
	f.names[to] = n
	return nil
}

// CopyMode implements format.FS; files here have no permissions.
func (f *FS) CopyMode(_, _ string) error { return nil }

// Remove implements format.FS. Removing a lock that exists in name only is fine.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.names[name]
	if n == nil {
		return nil
	}
	if err := f.change(op{kind: opRemove, node: n, name: name}); err != nil {
		return err
	}
	delete(f.names, name)
	return nil
}

// SyncDir implements format.FS.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.change(op{kind: opSyncDir, name: name})
}

// Lock implements format.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readOnly {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EROFS}
	}
	if f.locks[name] {
		return nil, fmt.Errorf("%s: %w", name, format.ErrLocked)
	}
	f.locks[name] = true
	return &lock{f, name}, nil
}

type lock struct {
	fs   *FS
	name string
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}

type file struct {
	fs       *FS
	node     *inode
	writable bool
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.reads++
	if f.fs.readErr != nil && f.fs.reads > f.fs.failRead {
		return 0, f.fs.readErr
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	if most := f.fs.atMost; most > 0 && len(b) > most {
		return copy(b[:most], f.node.data[off:]), nil
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if !f.writable {
		return 0, fs.ErrPermission
	}
	if err := f.fs.change(op{kind: opWrite, node: f.node, off: off, data: slices.Clone(b)}); err != nil {
		return 0, err
	}
	f.node.write(b, off)
	return len(b), nil
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.change(op{kind: opTruncate, node: f.node, off: size}); err != nil {
		return err
	}
	f.node.truncate(size)
	return nil
}

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.fs.change(op{kind: opSync, node: f.node})
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), nil
}

func (f *file) Close() error { return nil }
