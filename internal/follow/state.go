package follow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cespare/xxhash/v2"
)

// stamp is what the index remembers of a photo's file.
type stamp struct {
	size  int64
	mtime int64  // in ns; 0: not known, so that the file is read again
	hash  uint64 // XXH64 of the content
	// described says that the file was asked for its metadata, and keywords are those of the item's tags that it
	// had.
	described bool
	keywords  []string
}

const (
	stateVersion = 1
	isDescribed  = 1 << 7
	maxKeywords  = 3 << 10 // bytes; a state may have 4 KiB
)

// append encodes what Item.State holds: version and flag, size, time, hash, keywords.
func (s *stamp) append(b []byte) []byte {
	head := byte(stateVersion)
	if s.described {
		head |= isDescribed
	}
	b = append(b, head)
	b = binary.AppendUvarint(b, uint64(s.size))
	b = binary.AppendVarint(b, s.mtime)
	b = binary.LittleEndian.AppendUint64(b, s.hash)
	for _, k := range s.keywords {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
	}
	return b
}

// parseStamp reads what append wrote; ok is false for anything else.
func parseStamp(b []byte) (s stamp, ok bool) {
	if len(b) == 0 || b[0]&^isDescribed != stateVersion {
		return s, false
	}
	s.described = b[0]&isDescribed != 0
	b = b[1:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > 1<<62 {
		return s, false
	}
	b = b[n:]
	s.size = int64(size)
	if s.mtime, n = binary.Varint(b); n <= 0 || len(b)-n < 8 {
		return s, false
	}
	b = b[n:]
	s.hash = binary.LittleEndian.Uint64(b)
	for b = b[8:]; len(b) > 0; {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return s, false
		}
		s.keywords = append(s.keywords, string(b[n:n+int(length)]))
		b = b[n+int(length):]
	}
	return s, true
}

// State is what Item.State holds of the photo at a path: what Sync needs to know whether it changed, but for its
// time, which a copy of the photo need not have.
func State(path string) ([]byte, error) {
	s, err := stampOf(path)
	if err != nil {
		return nil, err
	}
	s.mtime = 0
	return s.append(nil), nil
}

// Differs says by its size whether the photo at a path is another one than that of which a state tells.
func Differs(state []byte, path string) bool {
	s, ok := parseStamp(state)
	info, err := os.Stat(path)
	return ok && err == nil && info.Size() != s.size
}

var errNotFile = errors.New("not a regular file")

// stampOf reads a file. A write that comes later than the reading gives the file another time: where the
// file's time is younger than what the disk's clock can tell apart, reading waits for it to pass.
func stampOf(path string) (s stamp, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	if !info.Mode().IsRegular() {
		return s, errNotFile
	}
	tick := 20 * time.Millisecond
	if info.ModTime().Nanosecond() == 0 {
		tick = 2 * time.Second // FAT, HFS+ and old servers
	}
	if age := time.Since(info.ModTime()); age >= 0 && age < tick {
		time.Sleep(tick - age)
		if info, err = f.Stat(); err != nil {
			return s, err
		}
	}
	h := xxhash.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return s, err
	}
	if n != info.Size() {
		return s, fmt.Errorf("it changes while it is read: %d bytes became %d", info.Size(), n)
	}
	return stamp{size: n, mtime: info.ModTime().UnixNano(), hash: h.Sum64()}, nil
}
