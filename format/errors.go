package format

import "errors"

var (
	// ErrNotIndex is returned when a file is not an ALADIN index: too short for
	// the two meta slots, or without the magic.
	ErrNotIndex = errors.New("not an ALADIN index file")

	// ErrVersion is returned when a file's format version is newer than this
	// package writes or older than it reads.
	ErrVersion = errors.New("unsupported index format version")

	// ErrCorrupt is returned when a checksum, bound or structural rule does not
	// hold. The message names the offset.
	ErrCorrupt = errors.New("corrupt index file")

	// ErrLocked is returned when another writer holds the file's lock.
	ErrLocked = errors.New("index file is locked by another writer")

	// ErrTooLarge is returned when a commit would exceed what the format can hold.
	ErrTooLarge = errors.New("exceeds the index format's limits")
)
