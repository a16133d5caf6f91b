package models

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/towers"
)

// SaveOptions say what a bundle is to be.
type SaveOptions struct {
	Name      string           // "" is the folder's
	Precision towers.Precision // "" is towers.F32
	// MatchingOnly leaves out the vectors of words and cells.
	MatchingOnly bool
}

// weightsSuffix is what the names of files of weights have behind the graph's.
const weightsSuffix = ".data"

// Save writes the model as a bundle.
func (s *Source) Save(ctx context.Context, dir string, o SaveOptions) (*bundle.Bundle, error) {
	man, files, err := s.bundle(o)
	if err != nil {
		return nil, err
	}
	for name, write := range files {
		files[name] = func(w io.Writer) error { return write(contextWriter{ctx, w}) }
	}
	return bundle.Create(dir, man, files)
}

// contextWriter ends when its context does.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// bundle is the manifest of a bundle and its files.
func (s *Source) bundle(o SaveOptions) (man bundle.Manifest, files map[string]func(io.Writer) error, err error) {
	if o.Precision == "" {
		o.Precision = towers.F32
	}
	if o.Name == "" {
		o.Name = s.Name()
	}
	outputs := []string{towers.Matching}
	text, image, err := s.sizes()
	if err != nil {
		return man, nil, err
	}
	t := &bundle.Towers{Family: string(s.Family), FillUp: s.text.Pool == towers.PoolLast, LogitScale: s.LogitScale, LogitBias: s.LogitBias}
	if !o.MatchingOnly {
		outputs = append(outputs, towers.Tokens)
		t.Grid, t.Untrained = image.Grid, true
		man.Alignment = "MrAVGw"
	}
	config, err := json.Marshal(s.pixels)
	if err != nil {
		return man, nil, err
	}
	man.Name, man.Description = o.Name, fmt.Sprintf("%s, imported from %s", s.Layout, s.Name())
	man.Dims = bundle.Dims{Embed: text.Embed}
	man.Lengths.Caption = text.Context
	man.Tokenizer = s.words.manifest
	man.Regions = bundle.Regions{Kind: bundle.Pixels, Config: config}
	man.Towers = t
	if man.Training, err = json.Marshal(map[string]any{"imported": map[string]any{
		"layout": s.Layout, "licence": s.Licence, "precision": o.Precision, "notes": s.Notes,
	}}); err != nil {
		return man, nil, err
	}
	files = map[string]func(io.Writer) error{man.Tokenizer.File: s.words.write}
	for _, x := range []struct {
		file string
		make func(data *onnx.DataFile) (*onnx.Model, error)
	}{
		{bundle.TextFile, func(d *onnx.DataFile) (*onnx.Model, error) {
			return s.text.Graph(s.textWeights, d, o.Precision, outputs...)
		}},
		{bundle.ImageFile, func(d *onnx.DataFile) (*onnx.Model, error) {
			return s.image.Graph(s.imageWeights, d, o.Precision, outputs...)
		}},
	} {
		data := onnx.NewDataFile(x.file + weightsSuffix)
		m, err := x.make(data)
		if err != nil {
			return man, nil, fmt.Errorf("%s: %w", x.file, err)
		}
		files[x.file] = func(w io.Writer) error { _, err := m.WriteTo(w); return err }
		if data.Size() > 0 {
			files[data.Location()] = data.Write
		}
	}
	return man, files, nil
}
