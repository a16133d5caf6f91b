package serve

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image"
	_ "image/gif" // for DecodeConfig, like the two below
	_ "image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rwcarlsen/goexif/exif"
	_ "golang.org/x/image/webp"
)

// photos finds and opens the pictures of items.
type photos struct {
	fs    fs.FS
	dir   string // absolute, or empty
	close func() error
	sizes *lru[image.Point] // of upright pictures, by id and version
}

// sizesBytes bounds the memory for the sizes of pictures: some 20,000.
const sizesBytes = 4 << 20

// openPhotos opens the folder, or takes the file system, of the options.
func openPhotos(o *Options) (*photos, error) {
	p := &photos{fs: o.Photos, close: func() error { return nil }, sizes: newLRU[image.Point](sizesBytes)}
	if o.Images == "" {
		return p, nil
	}
	dir, err := filepath.Abs(o.Images)
	if err != nil {
		return nil, fmt.Errorf("%w: folder of photos: %w", ErrOptions, err)
	}
	p.dir = dir
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: folder of photos: %w", ErrOptions, err)
	}
	p.fs, p.close = root.FS(), root.Close
	return p, nil
}

// photo is an open picture.
type photo struct {
	fs.File
	seek    io.ReadSeeker
	info    fs.FileInfo
	mime    string
	version string // changes when the file does
}

// open opens the picture of an item. A caption's is that of its image: captions
// are named IMAGE#NUMBER.
func (p *photos) open(id string) (*photo, error) {
	ph, err := p.openFile(id)
	if err != nil {
		if i := strings.LastIndexByte(id, '#'); i > 0 {
			if _, notNumber := strconv.Atoi(id[i+1:]); notNumber == nil {
				return p.openFile(id[:i])
			}
		}
	}
	return ph, err
}

func (p *photos) openFile(name string) (*photo, error) {
	if p.fs == nil || !fs.ValidPath(name) || strings.ContainsRune(name, 0) || !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, fs.ErrNotExist
	}
	// Looked at before it is opened: opening a pipe would wait for its writer.
	if info, err := fs.Stat(p.fs, name); err != nil || !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	f, err := p.fs.Open(name)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	ph, err := newPhoto(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return ph, nil
}

func newPhoto(f fs.File) (*photo, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	seek, ok := f.(io.ReadSeeker)
	if !ok || !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	var head [512]byte
	n, err := io.ReadFull(seek, head[:])
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	kind := pictureType(head[:n])
	if kind == "" {
		return nil, fs.ErrNotExist // a text beside the photos is none of them
	}
	if _, err := seek.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, [2]int64{info.ModTime().UnixNano(), info.Size()})
	return &photo{File: f, seek: seek, info: info, mime: kind, version: strconv.FormatUint(h.Sum64(), 36)}, nil
}

// pictureType tells what browsers can show, by its first bytes; "" for anything
// else, markup included.
func pictureType(head []byte) string {
	magic := func(at int, s string) bool { return len(head) >= at+len(s) && string(head[at:at+len(s)]) == s }
	switch {
	case magic(0, "\xff\xd8\xff"):
		return "image/jpeg"
	case magic(0, "\x89PNG\r\n\x1a\n"):
		return "image/png"
	case magic(0, "GIF87a"), magic(0, "GIF89a"):
		return "image/gif"
	case magic(0, "RIFF") && magic(8, "WEBP"):
		return "image/webp"
	}
	return ""
}

// size is the width and height of an item's picture as it is shown, 0 where there
// is none.
func (p *photos) size(id string) image.Point {
	ph, err := p.open(id)
	if err != nil {
		return image.Point{}
	}
	defer ph.Close()
	key := id + "\x00" + ph.version
	if pt, ok := p.sizes.get(key); ok {
		return pt
	}
	c, _, err := image.DecodeConfig(ph.seek)
	if err != nil {
		return image.Point{}
	}
	pt := image.Pt(c.Width, c.Height)
	if ph.mime == "image/jpeg" && lying(ph.seek) {
		pt.X, pt.Y = pt.Y, pt.X
	}
	p.sizes.put(key, pt, 16)
	return pt
}

// lying says that a JPEG is shown turned by a quarter.
func lying(r io.ReadSeeker) (yes bool) {
	const headBytes = 256 << 10                      // EXIF comes first
	defer func() { yes = yes && recover() == nil }() // the decoder trusts its input
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return false
	}
	x, err := exif.Decode(io.LimitReader(r, headBytes))
	if err != nil {
		return false
	}
	tag, err := x.Get(exif.Orientation)
	if err != nil {
		return false
	}
	v, err := tag.Int(0)
	return err == nil && v >= 5 && v <= 8
}

// fileName is the name under which a browser may save an item's picture.
func fileName(id, kind string) string {
	name := filepath.Base(filepath.FromSlash(id))
	if filepath.Ext(name) == "" {
		if ext, err := mime.ExtensionsByType(kind); err == nil && len(ext) > 0 {
			name += ext[0]
		}
	}
	return name
}
