package evalcmd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/eval"
)

// All pairs are scored a few images at a time. What is done is kept in memory, or in a state file: a
// header and then, for every image, its row of scores and a checksum. Rows whose checksum
// holds need not be computed again, so a run that was stopped anywhere goes on where it was.

const (
	stateMagic  = "ALADIN-EVAL-01\r\n"
	stateHeader = 64 // magic 16, images u32, captions u32, reserved 8, fingerprint 32
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// exhaustion is all alignment scores and what it took to compute them.
type exhaustion struct {
	eval.Scores
	computed []int // images whose rows this run computed
	close    func() error
}

// exhaust computes all scores. state is a file to keep them in and to resume from; "" keeps them in
// memory if they fit budget bytes, else in a file that is gone afterwards. done is called with pairs.
func exhaust(ctx context.Context, a aligner, state string, budget int64, threads int, done func(pairs int, resumed bool)) (*exhaustion, error) {
	n, m := a.Dims()
	var store rowStore
	var err error
	out := &exhaustion{close: func() error { return nil }}
	switch {
	case state != "":
		var f *stateFile
		if f, err = openState(state, n, m, a.fingerprint()); err != nil {
			return nil, err
		}
		store, out.close = f, f.file.Close
	case int64(n)*int64(m)*4 <= budget:
		matrix, err := eval.NewMatrix(n, m, make([]float32, n*m))
		if err != nil {
			return nil, err
		}
		store = &memoryStore{matrix}
	default:
		var f *stateFile
		if f, err = temporaryState(n, m); err != nil {
			return nil, err
		}
		store, out.close = f, f.remove
	}
	out.Scores = store
	todo, err := store.missing()
	if err != nil {
		return nil, errors.Join(err, out.close())
	}
	if skip := n - len(todo); skip > 0 && done != nil {
		done(skip*m, true)
	}
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	step := max(1, min(a.atOnce(), len(todo)/(4*threads)))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range threads {
		g.Go(func() error {
			rows := make([]float32, step*m)
			for {
				from := int(next.Add(int64(step))) - step
				if from >= len(todo) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				images := todo[from:min(from+step, len(todo))]
				if err := a.Rows(images, rows); err != nil {
					return err
				}
				for k, i := range images {
					if err := store.put(i, rows[k*m:(k+1)*m]); err != nil {
						return err
					}
				}
				if done != nil {
					done(len(images)*m, false)
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, out.close())
	}
	out.computed = todo
	return out, nil
}

type rowStore interface {
	eval.Scores
	missing() ([]int, error)
	put(image int, row []float32) error
}

type memoryStore struct{ *eval.Matrix }

func (s *memoryStore) missing() ([]int, error) {
	todo := make([]int, s.Images)
	for i := range todo {
		todo[i] = i
	}
	return todo, nil
}

func (s *memoryStore) put(image int, row []float32) error {
	copy(s.Row(image), row)
	return nil
}

// stateFile keeps rows in a file. Rows are read and written at their own places, so it is safe for
// concurrent use.
type stateFile struct {
	file *os.File
	n, m int
}

func openState(path string, n, m int, fingerprint [32]byte) (*stateFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	head := []byte(stateMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(n))
	head = binary.LittleEndian.AppendUint32(head, uint32(m))
	head = append(head, make([]byte, 8)...)
	head = append(head, fingerprint[:]...)
	old := make([]byte, stateHeader)
	switch got, err := f.ReadAt(old, 0); {
	case got == 0 && err == io.EOF:
		_, err = f.WriteAt(head, 0)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
	case err != nil && err != io.EOF:
		return nil, errors.Join(err, f.Close())
	case got < len(stateMagic) || string(old[:len(stateMagic)]) != stateMagic:
		return nil, errors.Join(fmt.Errorf("%w: %s is no state file of aladin-eval; it is left as it is", errData, path), f.Close())
	case !bytes.Equal(old, head):
		return nil, errors.Join(fmt.Errorf("%w: %s holds the scores of other data, another model or another precision: remove it or name another file", errData, path), f.Close())
	}
	return &stateFile{f, n, m}, nil
}

func temporaryState(n, m int) (*stateFile, error) {
	f, err := os.CreateTemp("", "aladin-eval-*.state")
	if err != nil {
		return nil, err
	}
	return &stateFile{f, n, m}, nil
}

func (s *stateFile) remove() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

func (s *stateFile) rowBytes() int64 { return 4*int64(s.m) + 4 }

// checksum covers the number of the row too: an empty row of zeros is not valid.
func checksum(image int, row []byte) uint32 {
	sum := crc32.Checksum(binary.LittleEndian.AppendUint32(nil, uint32(image)+1), crcTable)
	return crc32.Update(sum, crcTable, row)
}

// Dims implements eval.Scores.
func (s *stateFile) Dims() (images, captions int) { return s.n, s.m }

// Rows implements eval.Scores.
func (s *stateFile) Rows(images []int, dst []float32) error {
	b := make([]byte, s.rowBytes())
	for k, i := range images {
		if _, err := s.file.ReadAt(b, stateHeader+int64(i)*s.rowBytes()); err != nil {
			return fmt.Errorf("%s: scores of image %d: %w", s.file.Name(), i, err)
		}
		body := b[:4*s.m]
		if binary.LittleEndian.Uint32(b[4*s.m:]) != checksum(i, body) {
			return fmt.Errorf("%w: %s: the scores of image %d are damaged: run again to repair them", errData, s.file.Name(), i)
		}
		row := dst[k*s.m : (k+1)*s.m]
		for c := range row {
			row[c] = math.Float32frombits(binary.LittleEndian.Uint32(body[4*c:]))
		}
	}
	return nil
}

func (s *stateFile) missing() ([]int, error) {
	var todo []int
	row := make([]float32, s.m)
	for i := range s.n {
		err := s.Rows([]int{i}, row)
		switch {
		case err == nil:
		case errors.Is(err, errData) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			todo = append(todo, i)
		default:
			return nil, err
		}
	}
	return todo, nil
}

func (s *stateFile) put(image int, row []float32) error {
	b := slices.Clone(elem.Bytes(row))
	b = binary.LittleEndian.AppendUint32(b, checksum(image, b))
	_, err := s.file.WriteAt(b, stateHeader+int64(image)*s.rowBytes())
	return err
}
