// Package heif decodes HEIC and AVIF with the WebAssembly modules in github.com/gen2brain/heic and avif, and
// registers both formats with package picture.
//
// Those packages' own functions run the modules with as much memory as they ask for, and prefer a library of
// the system where there is one. This one gives a module a bounded memory, a runtime of its own for each
// picture, and nothing of the outside: no files, no clock, no output.
package heif

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"
	_ "unsafe" // for the modules

	_ "github.com/gen2brain/avif"
	_ "github.com/gen2brain/heic"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/aladin-go/aladin/internal/picture"
)

// The modules are variables of packages that export only what runs them.
//
//go:linkname heicModule github.com/gen2brain/heic.heifWasm
var heicModule []byte

//go:linkname avifModule github.com/gen2brain/avif.decodeWasm
var avifModule []byte

var (
	errDecode = errors.New("the decoder refuses it")
	errMemory = errors.New("it takes more memory than such a picture should")
)

func init() {
	picture.Register(picture.HEIC, picture.Codec{Decode: decodeHEIC, Bytes: heicBytes, Turns: true})
	picture.Register(picture.AVIF, picture.Codec{Decode: decodeAVIF, Bytes: avifBytes})
}

// What the modules take, measured, with some room.
func heicBytes(pixels int64) int64 { return 32<<20 + 9*pixels }
func avifBytes(pixels int64) int64 { return 48<<20 + 25*pixels }

// cache keeps the modules as machine code.
var cache = sync.OnceValue(wazero.NewCompilationCache)

// An instance is a module that works on one file.
type instance struct {
	ctx     context.Context
	runtime wazero.Runtime
	module  api.Module
}

// start runs a module in a memory of so many bytes.
func start(gz []byte, memory int64) (_ *instance, err error) {
	const page = 64 << 10
	ctx := context.Background()
	config := wazero.NewRuntimeConfig().WithCompilationCache(cache()).
		WithMemoryLimitPages(uint32(memory / page)).WithMemoryCapacityFromMax(true)
	i := &instance{ctx: ctx, runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	defer func() {
		if err != nil {
			i.close()
		}
	}()
	z, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	code, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	compiled, err := i.runtime.CompileModule(ctx, code)
	if err != nil {
		return nil, err
	}
	if _, err = wasi_snapshot_preview1.Instantiate(ctx, i.runtime); err != nil {
		return nil, err
	}
	i.module, err = i.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig())
	return i, err
}

func (i *instance) close() { _ = i.runtime.Close(i.ctx) }

// alloc is a piece of the module's memory.
func (i *instance) alloc(n int64) (uint32, error) {
	r, err := i.module.ExportedFunction("malloc").Call(i.ctx, uint64(n))
	if err != nil {
		return 0, err
	}
	if r[0] == 0 {
		return 0, errMemory
	}
	return uint32(r[0]), nil
}

// load copies a file into the module's memory.
func (i *instance) load(r io.Reader, size int64) (at uint32, err error) {
	if at, err = i.alloc(size); err != nil {
		return 0, err
	}
	view, ok := i.module.Memory().Read(at, uint32(size))
	if !ok {
		return 0, errMemory
	}
	_, err = io.ReadFull(r, view)
	return at, err
}

// decode calls the module's only function.
func (i *instance) decode(arguments ...uint64) error {
	r, err := i.module.ExportedFunction("decode").Call(i.ctx, arguments...)
	if err != nil {
		return fmt.Errorf("%w: %w", errDecode, err)
	}
	if r[0] == 0 {
		return errDecode
	}
	return nil
}

// numbers reads some that the module has written.
func (i *instance) numbers(at uint32, n int) ([]int, error) {
	out := make([]int, n)
	for k := range out {
		v, ok := i.module.Memory().ReadUint32Le(at + uint32(4*k))
		if !ok {
			return nil, errMemory
		}
		out[k] = int(v)
	}
	return out, nil
}

// read copies what is in the module's memory, which goes with it.
func (i *instance) read(at uint32, n int) ([]byte, error) {
	view, ok := i.module.Memory().Read(at, uint32(n))
	if !ok {
		return nil, errMemory
	}
	return bytes.Clone(view), nil
}

// decodeHEIC decodes to the colours in which the file is.
func decodeHEIC(r io.Reader, size int64, w, h int) (image.Image, error) {
	i, err := start(heicModule, heicBytes(int64(w)*int64(h))+size)
	if err != nil {
		return nil, err
	}
	defer i.close()
	in, err := i.load(r, size)
	if err != nil {
		return nil, err
	}
	const numbers = 5
	p, err := i.alloc(4 * numbers)
	if err != nil {
		return nil, err
	}
	call := func(configOnly uint64, out uint32) ([]int, error) {
		err := i.decode(uint64(in), uint64(size), configOnly, uint64(p), uint64(p+4), uint64(p+8), uint64(p+12), uint64(p+16), uint64(out))
		if err != nil {
			return nil, err
		}
		return i.numbers(p, numbers)
	}
	v, err := call(1, 0)
	if err != nil {
		return nil, err
	}
	if v[0] != w || v[1] != h {
		return nil, fmt.Errorf("%w: %d×%d pixels", errDecode, v[0], v[1])
	}
	const (
		ycc, rgb, monochrome = 0, 1, 2
		c420, c422, c444     = 1, 2, 3
	)
	align := func(n int) int { return (n + 15) &^ 15 }
	rect := image.Rect(0, 0, w, h)
	var n, cw, ch int
	ratio := image.YCbCrSubsampleRatio444
	switch colour, chroma := v[2], v[3]; {
	case colour == monochrome:
		n = align(w) * h
	case colour == rgb:
		n = align(4*w) * h
	case colour == ycc && chroma >= c420 && chroma <= c444:
		cw, ch = w, h
		if chroma != c444 {
			cw, ratio = (w+1)/2, image.YCbCrSubsampleRatio422
		}
		if chroma == c420 {
			ch, ratio = (h+1)/2, image.YCbCrSubsampleRatio420
		}
		n = align(w)*h + 2*align(cw)*ch
	default:
		return nil, fmt.Errorf("%w: colours %d, chroma %d", errDecode, colour, chroma)
	}
	// A picture's planes may be wider than they need to be; the module copies them as they are.
	const room = 1 << 20
	out, err := i.alloc(int64(n) + room)
	if err != nil {
		return nil, err
	}
	if v, err = call(0, out); err != nil {
		return nil, err
	}
	pix, err := i.read(out, n)
	if err != nil {
		return nil, err
	}
	switch v[2] {
	case monochrome:
		return &image.Gray{Pix: pix, Stride: align(w), Rect: rect}, nil
	case rgb:
		if v[4] == 1 {
			return &image.RGBA{Pix: pix, Stride: align(4 * w), Rect: rect}, nil
		}
		return &image.NRGBA{Pix: pix, Stride: align(4 * w), Rect: rect}, nil
	}
	luma, chroma := align(w)*h, align(cw)*ch
	return &image.YCbCr{
		Y: pix[:luma], Cb: pix[luma : luma+chroma], Cr: pix[luma+chroma:], YStride: align(w), CStride: align(cw),
		SubsampleRatio: ratio, Rect: rect,
	}, nil
}

// decodeAVIF decodes the first picture to red, green and blue, of which 8 bits are kept.
func decodeAVIF(r io.Reader, size int64, w, h int) (image.Image, error) {
	i, err := start(avifModule, avifBytes(int64(w)*int64(h))+size)
	if err != nil {
		return nil, err
	}
	defer i.close()
	in, err := i.load(r, size)
	if err != nil {
		return nil, err
	}
	const numbers = 4
	p, err := i.alloc(4*numbers + 8)
	if err != nil {
		return nil, err
	}
	call := func(configOnly uint64, out uint32) ([]int, error) {
		err := i.decode(uint64(in), uint64(size), configOnly, 0, uint64(p), uint64(p+4), uint64(p+8), uint64(p+12), uint64(p+4*numbers), uint64(out))
		if err != nil {
			return nil, err
		}
		return i.numbers(p, numbers)
	}
	v, err := call(1, 0)
	if err != nil {
		return nil, err
	}
	if v[0] != w || v[1] != h {
		return nil, fmt.Errorf("%w: %d×%d pixels", errDecode, v[0], v[1])
	}
	deep := v[2] > 8
	n := 4 * w * h
	if deep {
		n *= 2
	}
	out, err := i.alloc(int64(n))
	if err != nil {
		return nil, err
	}
	if _, err = call(0, out); err != nil {
		return nil, err
	}
	view, ok := i.module.Memory().Read(out, uint32(n))
	if !ok {
		return nil, errMemory
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h)) // with alpha multiplied in
	if !deep {
		copy(img.Pix, view)
		return img, nil
	}
	for k := range img.Pix {
		img.Pix[k] = view[2*k+1] // the upper half of 16 bits
	}
	return img, nil
}
