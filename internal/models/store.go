package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/safetensors"
	"github.com/aladin-go/aladin/internal/torch"
	"github.com/aladin-go/aladin/internal/towers"
)

// A store is the tensors of a checkpoint by name. Their values are read when they are asked for.
type store struct {
	files   []string // where they lie, for messages
	tensors map[string]*entry
	closers []io.Closer
}

type entry struct {
	towers.Tensor
	used bool
}

func newStore() *store { return &store{tensors: map[string]*entry{}} }

// Close unmaps the files.
func (s *store) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *store) has(name string) bool { return s.tensors[name] != nil }

// lookup finds a tensor, nil if there is none.
func (s *store) lookup(name string) *towers.Tensor {
	e := s.tensors[name]
	if e == nil {
		return nil
	}
	e.used = true
	return &e.Tensor
}

// unused are the names that nothing asked for, sorted.
func (s *store) unused() []string {
	var out []string
	for name, e := range s.tensors {
		if !e.used {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (s *store) add(name string, t towers.Tensor) error {
	if s.tensors[name] != nil {
		return fmt.Errorf("%w: the tensor %s is there twice", ErrWeights, name)
	}
	s.tensors[name] = &entry{Tensor: t}
	return nil
}

const (
	maxShards  = 1000
	maxJSON    = 64 << 20
	shardIndex = ".index.json"
)

// openStore opens a file of weights, or all those that an index of shards names.
func openStore(path string) (*store, error) {
	s := newStore()
	var err error
	switch {
	case strings.HasSuffix(path, shardIndex):
		err = s.shards(path)
	default:
		err = s.open(path)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// shards opens the files that an index names.
func (s *store) shards(path string) error {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := readJSON(path, &index); err != nil {
		return err
	}
	var files []string
	for _, f := range index.WeightMap {
		if f != filepath.Base(f) || f == "." || f == ".." {
			return fmt.Errorf("%w: %s: %q is no file beside it", ErrWeights, path, f)
		}
		files = append(files, f)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if len(files) == 0 || len(files) > maxShards {
		return fmt.Errorf("%w: %s names %d files", ErrWeights, path, len(files))
	}
	for _, f := range files {
		if err := s.open(filepath.Join(filepath.Dir(path), f)); err != nil {
			return err
		}
	}
	for name := range index.WeightMap {
		if !s.has(name) {
			return fmt.Errorf("%w: %s: the tensor %s is in none of its files", ErrWeights, path, name)
		}
	}
	return nil
}

func (s *store) open(path string) error {
	head := make([]byte, 16)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWeights, err)
	}
	n, _ := io.ReadFull(f, head)
	f.Close()
	if head = head[:n]; strings.HasPrefix(string(head), "version https:") {
		return fmt.Errorf("%w: %s is a pointer of Git LFS, not the file itself: fetch it with git lfs pull", ErrWeights, path)
	}
	s.files = append(s.files, path)
	if n > 8 && head[8] == '{' {
		return s.safetensors(path)
	}
	return s.torch(path)
}

func (s *store) safetensors(path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWeights, err)
	}
	s.closers = append(s.closers, f)
	for _, name := range f.Names() {
		t := f.Tensor(name)
		if err := s.add(name, towers.Tensor{Shape: t.Shape, Values: floats(t.Type, t.Float32)}); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// floats refuses tensors that are no weights.
func floats(t elem.Type, values func() ([]float32, error)) func() ([]float32, error) {
	switch t {
	case elem.Float16, elem.BFloat16, elem.Float32, elem.Float64:
		return values
	}
	return func() ([]float32, error) { return nil, fmt.Errorf("%w: it is of type %s", ErrWeights, t) }
}

// Prefixes of names that training scripts leave.
var scriptPrefixes = []string{"module.", "_orig_mod.", "_image_encoder.", "_text_encoder.", "_logit_scale."}

func (s *store) torch(path string) error {
	f, err := torch.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWeights, err)
	}
	s.closers = append(s.closers, f)
	dict, err := torch.StateDict(f.Value())
	for _, key := range []string{"state_dict", "model"} { // training checkpoints
		if err == nil {
			break
		}
		if d, inner := torch.StateDict(f.Value(), key); inner == nil {
			dict, err = d, nil
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w (a checkpoint is a state dict, or has one as state_dict; TorchScript archives are not read)", ErrWeights, path, err)
	}
	for name, t := range dict.All() {
		for again := true; again; {
			again = false
			for _, p := range scriptPrefixes {
				if rest, ok := strings.CutPrefix(name, p); ok {
					name, again = rest, true
				}
			}
		}
		if err := s.add(name, towers.Tensor{Shape: t.Shape, Values: floats(t.Type, t.Float32)}); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// scalar is the one value of a tensor, if it is there.
func (s *store) scalar(name string) (*float64, error) {
	e := s.tensors[name]
	if e == nil {
		return nil, nil
	}
	if e.Len() != 1 {
		return nil, fmt.Errorf("%w: %s has the shape %v, want one value", ErrWeights, name, e.Shape)
	}
	e.used = true
	v, err := e.Values()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	x := float64(v[0])
	if x-x != 0 {
		return nil, fmt.Errorf("%w: %s is not finite", ErrWeights, name)
	}
	return &x, nil
}

// readJSON reads a file of JSON of bounded size.
func readJSON(path string, into any) error {
	b, err := readHead(path, maxJSON+1)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if len(b) > maxJSON {
		return fmt.Errorf("%w: %s is larger than %d MB", ErrConfig, path, maxJSON>>20)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	return nil
}

// readHead reads the first n bytes of a file.
func readHead(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(n)))
}
