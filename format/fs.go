package format

import "io"

// File is what reading and writing an index needs of an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync returns when everything written is on stable storage.
	Sync() error
}

// FS is what an index needs of a file system. The operating system's is the default everywhere; another one
// can keep indexes in memory, or lose, reorder and refuse writes in tests.
type FS interface {
	// Open opens an existing file for reading, OpenWritable also for writing.
	Open(name string) (File, error)
	OpenWritable(name string) (File, error)
	// Create makes an empty file, replacing one that exists.
	Create(name string) (File, error)
	Rename(from, to string) error
	// CopyMode gives a file the permissions of another.
	CopyMode(from, to string) error
	Remove(name string) error
	// SyncDir makes renames in the folder of name durable.
	SyncDir(name string) error
	// Lock takes the exclusive lock called name, or returns ErrLocked at once.
	Lock(name string) (io.Closer, error)
}
