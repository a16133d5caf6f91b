package models

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	if o.Precision == "" {
		o.Precision = towers.F32
	}
	if o.Name == "" {
		o.Name = s.Name()
	}
	make := s.ofWeights
	if s.pair != nil {
		tmp, err := os.MkdirTemp("", "aladin-import-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(tmp)
		make = func(ctx context.Context, o SaveOptions) (*parts, error) { return s.ofGraphs(ctx, tmp, o) }
	}
	p, err := make(ctx, o)
	if err != nil {
		return nil, err
	}
	man, err := s.manifest(p, o)
	if err != nil {
		return nil, err
	}
	p.files[man.Tokenizer.File] = s.words.write
	for name, write := range p.files {
		p.files[name] = func(w io.Writer) error { return write(contextWriter{ctx, w}) }
	}
	b, err := bundle.Create(dir, man, p.files)
	if err == nil && s.store != nil {
		s.noteUnused()
	}
	return b, err
}

// noteUnused names the weights that no graph asked for. Tables of positions and masks are left out: they are computed.
func (s *Source) noteUnused() {
	names := slices.DeleteFunc(s.store.unused(), func(name string) bool {
		return strings.HasSuffix(name, "position_ids") || strings.HasSuffix(name, "attn_mask")
	})
	if len(names) > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d tensors took no part: %s", len(names), strings.Join(names[:min(len(names), 5)], ", ")))
	}
}

// parts are the two towers of a bundle.
type parts struct {
	dim    int
	length int    // of texts
	fillUp bool   // always so long
	grid   [2]int // of the tokens of a picture; zero: no tokens
	files  map[string]func(io.Writer) error
}

// ofWeights makes graphs of a model's weights.
func (s *Source) ofWeights(_ context.Context, o SaveOptions) (*parts, error) {
	outputs := []string{towers.Matching}
	text, image, err := s.sizes()
	if err != nil {
		return nil, err
	}
	p := &parts{dim: text.Embed, length: text.Context, fillUp: s.text.Pool == towers.PoolLast, files: map[string]func(io.Writer) error{}}
	if !o.MatchingOnly {
		outputs = append(outputs, towers.Tokens)
		p.grid = image.Grid
	}
	p.add(bundle.TextFile, func(d *onnx.DataFile) (*onnx.Model, error) {
		return s.text.Graph(s.textWeights, d, o.Precision, outputs...)
	})
	p.add(bundle.ImageFile, func(d *onnx.DataFile) (*onnx.Model, error) {
		return s.image.Graph(s.imageWeights, d, o.Precision, outputs...)
	})
	return p, nil
}

// add adds a graph and the file of its weights. They are made when the first is written and let go with the
// second: bytes of weights take memory, of one tower at a time.
func (p *parts) add(file string, make func(data *onnx.DataFile) (*onnx.Model, error)) {
	data := onnx.NewDataFile(file + weightsSuffix)
	p.files[file] = func(w io.Writer) error {
		m, err := make(data)
		if err != nil {
			return err
		}
		_, err = m.WriteTo(w)
		return err
	}
	p.files[data.Location()] = func(w io.Writer) error { // comes after, by its name
		err := data.Write(w)
		data = nil
		return err
	}
}

// ofGraphs adapts a pair of graphs, by way of files in folder tmp.
func (s *Source) ofGraphs(ctx context.Context, tmp string, o SaveOptions) (*parts, error) {
	text, err := s.adapt(ctx, tmp, bundle.TextFile, false, o)
	if err != nil {
		return nil, err
	}
	if text.grid == [2]int{} {
		o.MatchingOnly = true // words without regions are of no use, nor the other way round
	}
	image, err := s.adapt(ctx, tmp, bundle.ImageFile, true, o)
	if err != nil {
		return nil, err
	}
	if image.grid == [2]int{} && !o.MatchingOnly {
		o.MatchingOnly = true
		if text, err = s.adapt(ctx, tmp, bundle.TextFile, false, o); err != nil {
			return nil, err
		}
	}
	if text.dim != image.dim {
		return nil, fmt.Errorf("%w: the text tower gives %d numbers, the image tower %d: are they of the same model?", ErrWeights, text.dim, image.dim)
	}
	p := &parts{dim: text.dim, length: s.textLength(text.length), fillUp: s.Family == SigLIP, grid: image.grid, files: map[string]func(io.Writer) error{}}
	for _, a := range []*adapted{text, image} {
		for _, f := range []string{a.graph, a.data} {
			if f != "" {
				p.files[filepath.Base(f)] = bundle.FromFile(f)
			}
		}
	}
	return p, nil
}

// manifest describes the bundle.
func (s *Source) manifest(p *parts, o SaveOptions) (man bundle.Manifest, err error) {
	man.Name, man.Description = o.Name, fmt.Sprintf("%s, imported from %s", s.Layout, s.Name())
	man.Dims = bundle.Dims{Embed: p.dim}
	man.Lengths.Caption = p.length
	man.Tokenizer = s.words.manifest
	man.Regions.Kind = bundle.Pixels
	if man.Regions.Config, err = json.Marshal(s.pixels); err != nil {
		return man, err
	}
	man.Towers = &bundle.Towers{Family: string(s.Family), FillUp: p.fillUp, Grid: p.grid, Untrained: p.grid != [2]int{}, LogitScale: s.LogitScale, LogitBias: s.LogitBias}
	if man.Aligns() {
		man.Alignment = "MrAVGw"
	}
	man.Training, err = json.Marshal(map[string]any{"imported": map[string]any{
		"layout": s.Layout, "licence": s.Licence, "precision": o.Precision, "notes": s.Notes,
	}})
	return man, err
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
