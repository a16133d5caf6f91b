package featurecache

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin/internal/mapped"
)

// suffix ends the names of packs.
const suffix = ".regions"

// A pack is a file of records, open for reading.
type pack struct {
	path   string
	number int
	file   *os.File
	end    int64 // of the whole records
	used   bool  // something was found in it
	mapped *mapped.File
}

// packName is the name of an extractor's pack.
func packName(extractor Key, number int) string {
	return fmt.Sprintf("%s-%06d%s", prefix(extractor), number, suffix)
}

func prefix(extractor Key) string { return hex.EncodeToString(extractor[:12]) }

// packNumber is the number in the name of an extractor's pack.
func packNumber(extractor Key, name string) (int, bool) {
	rest, ours := strings.CutPrefix(name, prefix(extractor)+"-")
	digits, pack := strings.CutSuffix(rest, suffix)
	n, err := strconv.Atoi(digits)
	return n, ours && pack && err == nil && name == packName(extractor, n)
}

// openPack opens a pack; nil if the file is none of this extractor, as when its making was cut off.
func openPack(dir string, number int, shape Shape, extractor Key) (*pack, error) {
	path := filepath.Join(dir, packName(extractor, number))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, err
	}
	head := make([]byte, headerSize)
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head, shape.header(extractor)) {
		return nil, f.Close()
	}
	return &pack{path: path, number: number, file: f, end: headerSize}, nil
}

// createPack makes an empty pack.
func createPack(dir string, number int, shape Shape, extractor Key) (*pack, error) {
	path := filepath.Join(dir, packName(extractor, number))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(shape.header(extractor)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &pack{path: path, number: number, file: f, end: headerSize}, nil
}

// scan tells of the whole records behind those that it told of before. Of the last pack of an extractor, which its writer may
// have left in the middle of a record, the chunks are checked too: all of it is read.
func (p *pack) scan(shape Shape, last bool, tell func(at int64, content, stamp Key)) error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, recordHead)
	var body []byte
	for p.end+recordHead <= info.Size() {
		if _, err := p.file.ReadAt(head, p.end); err != nil {
			return ignoreEOF(err) // it was shortened meanwhile
		}
		n, content, stamp, ok := parseRecordHeader(head)
		if !ok || p.end+recordHead+n > info.Size() {
			return nil
		}
		if last {
			if int64(cap(body)) < n { // no more than the file has
				body = make([]byte, n)
			}
			body = body[:n]
			if _, err := p.file.ReadAt(body, p.end+recordHead); err != nil {
				return ignoreEOF(err)
			}
			if !whole(body, shape.Views) {
				return nil
			}
		}
		tell(p.end, content, stamp)
		p.end += recordHead + n
	}
	return nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// whole says whether b is that many chunks with the right checksums.
func whole(b []byte, chunks int) bool {
	le := binary.LittleEndian
	for range chunks {
		if len(b) < chunkHead || int64(le.Uint32(b)) > int64(len(b)-chunkHead) {
			return false
		}
		end := chunkHead + int(le.Uint32(b))
		if crc32.Checksum(b[chunkHead:end], table) != le.Uint32(b[4:]) {
			return false
		}
		b = b[end:]
	}
	return len(b) == 0
}

// record is the chunks of the record at an offset of the mapped pack.
func (p *pack) record(at int64) ([]byte, error) {
	b := p.mapped.Bytes()
	if at < headerSize || at > int64(len(b))-recordHead {
		return nil, fmt.Errorf("%w: no record at %d", ErrInvalid, at)
	}
	n, _, _, ok := parseRecordHeader(b[at:])
	if !ok || n > int64(len(b))-at-recordHead {
		return nil, fmt.Errorf("%w: head of the record at %d", ErrCorrupt, at)
	}
	return b[at+recordHead:][:n], nil
}

// freeze maps the pack and closes its file.
func (p *pack) freeze() (err error) {
	p.mapped, err = mapped.Of(p.file, p.end)
	err = errors.Join(err, p.file.Close())
	p.file = nil
	return err
}

func (p *pack) close() (err error) {
	if p.file != nil {
		err = p.file.Close()
		p.file = nil
	}
	if p.mapped != nil {
		err = errors.Join(err, p.mapped.Close())
	}
	return err
}
