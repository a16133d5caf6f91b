package indexcmd

import (
	"bytes"
	"fmt"
	"image/png"
	"io/fs"
	"sync"
	"time"

	"github.com/aladin-go/aladin/internal/scenes"
)

// scenePhotos is a file system of generated scenes, each under its id. They are
// drawn when they are first looked at.
type scenePhotos struct {
	n   int
	gen *scenes.Generator

	mu    sync.Mutex
	drawn map[int][]byte
}

// keptScenes bounds the pictures in memory, of some 30 KB each.
const keptScenes = 1000

func newScenePhotos(n int, seed uint64, split scenes.Split) *scenePhotos {
	return &scenePhotos{n: n, gen: scenes.New(seed, &scenes.Options{Split: split}), drawn: make(map[int][]byte)}
}

// Open implements fs.FS.
func (p *scenePhotos) Open(name string) (fs.File, error) {
	var i int
	if _, err := fmt.Sscanf(name, "scene-%d", &i); err != nil || i < 0 || i >= p.n || fmt.Sprintf("scene-%06d", i) != name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	data, err := p.draw(i)
	if err != nil {
		return nil, err
	}
	return &sceneFile{bytes.NewReader(data), name}, nil
}

func (p *scenePhotos) draw(i int) ([]byte, error) {
	p.mu.Lock()
	data := p.drawn[i]
	p.mu.Unlock()
	if data != nil {
		return data, nil
	}
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, p.gen.Scene(i).Image); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.drawn) >= keptScenes {
		for old := range p.drawn { // any: what is looked at again is drawn again
			delete(p.drawn, old)
			break
		}
	}
	p.drawn[i] = buf.Bytes()
	return buf.Bytes(), nil
}

// sceneFile is an open scene, and what is known of it.
type sceneFile struct {
	*bytes.Reader
	name string
}

func (f *sceneFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *sceneFile) Close() error               { return nil }
func (f *sceneFile) Name() string               { return f.name }
func (f *sceneFile) Mode() fs.FileMode          { return 0o444 }
func (f *sceneFile) ModTime() time.Time         { return time.Time{} }
func (f *sceneFile) IsDir() bool                { return false }
func (f *sceneFile) Sys() any                   { return nil }
