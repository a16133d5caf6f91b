package onnx

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/aladin-go/aladin/internal/mapped"
)

// A File is a model whose file is mapped, and with it the files beside it in which values of its tensors lie: the
// model holds all values, and they end with Close.
type File struct {
	Model *Model
	maps  []*mapped.File
}

// Open maps a model's file and those of its external data, which must lie in its folder.
func Open(path string) (*File, error) {
	f := &File{}
	if err := f.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, nil
}

// Close unmaps the files.
func (f *File) Close() error {
	var errs []error
	for _, m := range f.maps {
		errs = append(errs, m.Close())
	}
	f.maps = nil
	return errors.Join(errs...)
}

func (f *File) bytes(path string) ([]byte, error) {
	m, err := mapped.Open(path)
	if err != nil {
		return nil, err
	}
	f.maps = append(f.maps, m)
	return m.Bytes(), nil
}

func (f *File) open(path string) error {
	data, err := f.bytes(path)
	if err != nil {
		return err
	}
	if f.Model, err = Unmarshal(data); err != nil {
		return err
	}
	files := map[string][]byte{}
	for _, t := range f.Model.Graph.Initializers {
		if len(t.External) == 0 {
			continue
		}
		location, at, n, err := t.outside()
		if err != nil {
			return err
		}
		data, ok := files[location]
		if !ok {
			if data, err = f.bytes(filepath.Join(filepath.Dir(path), location)); err != nil {
				return err
			}
			files[location] = data
		}
		if n < 0 {
			n = int64(len(data)) - at
		}
		if at < 0 || n < 0 || at > int64(len(data)) || n > int64(len(data))-at {
			return fmt.Errorf("%w: the values of %s lie at %d…%d of %d bytes of %s", ErrModel, t.Name, at, at+n, len(data), location)
		}
		t.Raw, t.External = data[at:at+n:at+n], nil
	}
	return nil
}

// outside says where a tensor's values lie: in which file, from which byte, and how many, -1 for all to the end.
func (t *Tensor) outside() (location string, at, n int64, err error) {
	n = -1
	for _, e := range t.External {
		switch e.Key {
		case "location":
			location = e.Value
		case "offset":
			at, err = strconv.ParseInt(e.Value, 10, 64)
		case "length":
			n, err = strconv.ParseInt(e.Value, 10, 64)
		}
		if err != nil {
			return "", 0, 0, fmt.Errorf("%w: %s: %s %q", ErrModel, t.Name, e.Key, e.Value)
		}
	}
	if location == "" || location != filepath.Base(location) || location == ".." || location == "." {
		return "", 0, 0, fmt.Errorf("%w: the values of %s lie in %q, which is no file beside the model", ErrModel, t.Name, location)
	}
	return location, at, n, nil
}
