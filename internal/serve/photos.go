package serve

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image"
	"io"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aladin-go/aladin/internal/itemid"
	"github.com/aladin-go/aladin/internal/lru"
	"github.com/aladin-go/aladin/internal/picture"
)

// photos finds and opens the pictures of items.
type photos struct {
	fs    fs.FS
	dir   string // absolute, or empty
	close func() error
	sizes *lru.Cache[string, image.Point] // of upright pictures, by id and version
}

// sizesBytes bounds the memory for the sizes of pictures: some 20,000.
const sizesBytes = 4 << 20

// openPhotos opens the folder, or takes the file system, of the options.
func openPhotos(o *Options) (*photos, error) {
	p := &photos{fs: o.Photos, close: func() error { return nil }, sizes: lru.New[string, image.Point](sizesBytes)}
	if o.Images == "" {
		return p, nil
	}
	dir, err := filepath.Abs(o.Images)
	if err != nil {
		return nil, fmt.Errorf("%w: folder of photos: %w", ErrOptions, err)
	}
	p.dir = dir
	if o.Follow {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%w: folder of photos: %s is no folder", ErrOptions, dir)
		}
		p.fs = os.DirFS(dir)
		return p, nil
	}
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

// open opens the picture of an item.
func (p *photos) open(id string) (*photo, error) {
	err := fs.ErrNotExist
	for _, name := range itemid.Photos(id) {
		var ph *photo
		if ph, err = p.openFile(name); err == nil {
			return ph, nil
		}
	}
	return nil, err
}

func (p *photos) openFile(name string) (*photo, error) {
	if p.fs == nil {
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
	var head [32]byte
	n, err := io.ReadFull(seek, head[:])
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	kind := picture.Sniff(head[:n])
	if !picture.Reads(kind) {
		return nil, fs.ErrNotExist // a text beside the photos is none of them
	}
	if _, err := seek.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, [2]int64{info.ModTime().UnixNano(), info.Size()})
	return &photo{File: f, seek: seek, info: info, mime: kind.MIME(), version: strconv.FormatUint(h.Sum64(), 36)}, nil
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
	if pt, ok := p.sizes.Get(key); ok {
		return pt
	}
	f, err := picture.Open(ph.seek, nil)
	if err != nil {
		return image.Point{}
	}
	pt := image.Pt(f.W, f.H)
	p.sizes.Put(key, pt, entrySize(key, 16))
	return pt
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
