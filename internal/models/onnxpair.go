package models

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/preprocess"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/towers"
)

// A pair is two towers that somebody exported as ONNX graphs.
type pair struct {
	text, image string // files; the same where one graph has both towers
	files       []*onnx.File
}

func (p *pair) Close() error {
	var errs []error
	for _, m := range p.files {
		errs = append(errs, m.Close())
	}
	p.files = nil
	return errors.Join(errs...)
}

// Folders in which exporters put graphs, and how they call the two.
var (
	onnxFolders = []string{".", "onnx", "textual", "visual", "text", "image", "vision"}
	textNames   = []string{"text", "textual"}
	imageNames  = []string{"vision", "visual", "image"}
)

// findPair looks for a pair of graphs. file, if not "", is one of them.
func (s *Source) findPair(file string) (*pair, error) {
	variant := ""
	if file != "" {
		_, variant = graphName(file)
	}
	p := &pair{}
	var others []string
	for _, folder := range onnxFolders {
		files, _ := filepath.Glob(filepath.Join(s.path(folder), "*.onnx")) // the pattern is well-formed
		slices.SortFunc(files, func(a, b string) int { return len(a) - len(b) })
		for _, f := range files {
			kind, v := graphName(f)
			switch {
			case v != variant:
				others = append(others, f)
			case kind == 't' && p.text == "":
				p.text = f
			case kind == 'i' && p.image == "":
				p.image = f
			case kind == 'b' && p.text == "" && p.image == "":
				p.text, p.image = f, f
			}
		}
	}
	if p.text == "" && p.image == "" {
		return nil, nil
	}
	if p.text == "" || p.image == "" {
		return nil, fmt.Errorf("%w: there is %s, but not the other of the pair (text_model.onnx and vision_model.onnx, textual and visual, or text and image)", ErrSource, p.text+p.image)
	}
	if len(others) > 0 && file == "" {
		s.Notes = append(s.Notes, fmt.Sprintf("other variants are there, too; name one of their files to take it: %s", filepath.Base(others[0])))
	}
	return p, nil
}

// graphName tells by a file's name which tower it is ('t', 'i', 'b' for both, 0 for something else) and its variant.
func graphName(path string) (kind byte, variant string) {
	name := strings.ToLower(strings.TrimSuffix(filepath.Base(path), ".onnx"))
	base, rest, _ := strings.Cut(name, "_model")
	switch {
	case name == "model" || strings.HasPrefix(name, "model_"):
		base = strings.ToLower(filepath.Base(filepath.Dir(path)))
		rest = strings.TrimPrefix(name, "model")
		if !slices.Contains(textNames, base) && !slices.Contains(imageNames, base) {
			return 'b', rest
		}
	case base == name:
		for _, v := range []string{"_quantized", "_fp16", "_int8", "_uint8", "_q4", "_q4f16", "_bnb4"} {
			if b, ok := strings.CutSuffix(name, v); ok {
				base, rest = b, v
			}
		}
	}
	has := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(base, n) })
	}
	switch {
	case has(textNames):
		return 't', rest
	case has(imageNames):
		return 'i', rest
	}
	return 0, rest
}

// openPair reads a pair of graphs; config is config.json, if it is there.
func (s *Source) openPair(p *pair, config *hfConfig) error {
	s.pair = p
	s.use(p.text)
	s.use(p.image)
	s.Family, s.Layout = CLIP, "a pair of ONNX graphs"
	var open openModel
	immich := false
	switch {
	case config.ModelType == "siglip" || config.ModelType == "siglip2":
		s.Family, s.Layout = SigLIP, "ONNX graphs of a SiglipModel"
	case config.ModelType != "":
		s.Layout = "ONNX graphs of a " + config.ModelType + " model"
	case s.exists("config.json"):
		if err := readJSON(s.path("config.json"), &open); err != nil {
			return err
		}
		immich = open.Embed > 0
	}
	if immich {
		s.Layout = "ONNX graphs as Immich has them"
		if strings.Contains(open.Vision.Timm, "_siglip") || open.Text.PoolType == "last" {
			s.Family = SigLIP
		}
	}
	if s.exists("config.json") {
		s.use(s.path("config.json"))
	}
	if err := s.pairTokenizer(immich, &open); err != nil {
		return err
	}
	s.pairLength = max(open.Text.Context, config.Text.Positions)
	return s.pairPixels()
}

// pairTokenizer finds the tokenizer of a pair.
func (s *Source) pairTokenizer(immich bool, open *openModel) error {
	o := tokenizer.ImportOptions{SigLIP: s.Family == SigLIP}
	folder := "."
	if immich {
		o.Library, o.HFName, o.Clean = tokenizer.Immich, open.Text.HFTok != "", open.Text.Tokenizer.Clean
	}
	for _, f := range []string{"textual", "text"} {
		for _, name := range []string{"tokenizer.json", "merges.txt", "spiece.model"} {
			if s.exists(f + "/" + name) {
				folder = f
			}
		}
	}
	return s.readTokenizer(folder, o)
}

// pairPixels reads how pictures become pixels.
func (s *Source) pairPixels() error {
	if s.exists("visual/preprocess_cfg.json") {
		return s.readPixels(s.path("visual/preprocess_cfg.json"), preprocess.Immich)
	}
	if s.exists("preprocessor_config.json") {
		return s.readPixels(s.path("preprocessor_config.json"), preprocess.HuggingFace)
	}
	return nil // by the graph's own size
}

// graph reads a tower's graph, with weights that lie in other files.
func (p *pair) graph(path string, image bool) (*towers.Foreign, error) {
	m, err := p.read(path)
	if err != nil {
		return nil, err
	}
	f, err := towers.NewForeign(m, image)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// read maps a graph.
func (p *pair) read(path string) (*onnx.Model, error) {
	f, err := onnx.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWeights, err)
	}
	p.files = append(p.files, f)
	return f.Model, nil
}

// An adapted tower is one whose graph is that of a bundle, in a folder of its own.
type adapted struct {
	graph  string // file
	data   string // file of its weights, "" if there is none
	dim    int
	length int // of texts; 0: free
	grid   [2]int
}

// adapt writes a tower's graph as a bundle has it to dir.
func (s *Source) adapt(ctx context.Context, dir, name string, image bool, o SaveOptions) (*adapted, error) {
	path := s.pair.text
	if image {
		path = s.pair.image
	}
	f, err := s.pair.graph(path, image)
	if err != nil {
		return nil, err
	}
	size := [2]int{}
	if image {
		if size, err = s.pairSize(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	f.Plain(size)
	a := &adapted{graph: filepath.Join(dir, name), length: f.Length()}
	found, err := s.probe(ctx, f, a, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a.dim = found.dim
	note := func(format string, args ...any) {
		s.Notes = append(s.Notes, fmt.Sprintf("%s: %s", filepath.Base(path), fmt.Sprintf(format, args...)))
	}
	tokens := false
	if !o.MatchingOnly {
		var why string
		if f, tokens, why = s.aligning(ctx, f, a, found, path, size); !tokens {
			note("its states %s: matching only", why)
		}
	}
	if image && !tokens {
		a.grid = [2]int{}
	} else if !image && tokens {
		a.grid = [2]int{1, 1}
	}
	data := onnx.NewDataFile(name + weightsSuffix)
	quantized, err := f.Finish(data, o.Precision)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if o.Precision == towers.F16 || o.Precision == towers.F32 && quantized {
		note("its weights stay as they were exported")
	}
	if data.Size() > 0 {
		a.data = a.graph + weightsSuffix
	}
	return a, writeGraph(f.Model, data, a.graph)
}

// pairSize is the size of the pictures that a graph reads.
func (s *Source) pairSize(f *towers.Foreign) ([2]int, error) {
	size := f.Size()
	if s.pixels == nil {
		if size[0] == 0 || size[0] != size[1] {
			return size, fmt.Errorf("%w: neither a preprocessor_config.json nor the graph says how large pictures are", ErrConfig)
		}
		s.pixels = &preprocess.Config{Library: preprocess.LibraryOpenCLIP, Resize: preprocess.Shortest, Width: size[1], Height: size[0], Filter: preprocess.Bicubic,
			CropWidth: size[1], CropHeight: size[0], Rescale: 1.0 / 255,
			Mean: [3]float64{0.48145466, 0.4578275, 0.40821073}, Std: [3]float64{0.26862954, 0.26130258, 0.27577711}}
		s.Notes = append(s.Notes, "nothing says how pictures become pixels: as in OpenAI's CLIP")
		return size, s.pixels.Check()
	}
	w, h := s.pixels.Size()
	for i, n := range [2]int{h, w} {
		if size[i] != 0 && size[i] != n {
			return size, fmt.Errorf("%w: it reads pictures of %d×%d where the preprocessing makes %d×%d", ErrConfig, size[0], size[1], h, w)
		}
	}
	return [2]int{h, w}, nil
}

func writeGraph(m *onnx.Model, data *onnx.DataFile, path string) error {
	for p, write := range map[string]func(*os.File) error{
		path:                 func(f *os.File) error { _, err := m.WriteTo(f); return err },
		path + weightsSuffix: func(f *os.File) error { return data.Write(f) },
	} {
		if p != path && data.Size() == 0 {
			continue
		}
		f, err := os.Create(p)
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// found is what a trial run tells.
type found struct {
	dim           int
	tokens, width int // of the states; 0: there are none
	vectors       [][]float32
	rows          []float32 // tokens of the first input, where they are made
}

// probe runs a tower on something that means nothing.
func (s *Source) probe(ctx context.Context, f *towers.Foreign, a *adapted, size [2]int) (*found, error) {
	dir, err := os.MkdirTemp(filepath.Dir(a.graph), "probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	m := *f.Model // values move out of a copy only
	g := *f.Model.Graph
	g.Initializers = slices.Clone(g.Initializers)
	m.Graph = &g
	data := onnx.NewDataFile("graph" + weightsSuffix)
	m.MoveOut(data, 1<<12)
	path := filepath.Join(dir, "graph")
	if err := writeGraph(&m, data, path); err != nil {
		return nil, err
	}
	run, err := ort.Open(path, &ort.Options{Optimise: ort.OptBasic})
	if err != nil {
		return nil, err
	}
	defer run.Close()
	in := map[string]*ort.Tensor{}
	width := int64(0)
	if f.Image {
		n := 3 * size[0] * size[1]
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(math.Sin(float64(i) * 0.37))
		}
		in["pixels"] = ort.Float32([]int64{1, 3, int64(size[0]), int64(size[1])}, v)
	} else {
		in = s.textInput(run, "a photo of a dog", s.textLength(a.length))
		width = in["ids"].Shape()[1]
	}
	out, err := run.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	r := &found{}
	v := out[towers.Matching]
	if shape := v.Shape(); len(shape) != 2 || shape[0] != 1 || shape[1] < 1 {
		return nil, fmt.Errorf("%w: its vector has the shape %v", ErrUnsupported, shape)
	}
	r.dim = int(v.Shape()[1])
	r.vectors = [][]float32{v.Float32()}
	for _, x := range r.vectors[0] {
		if x-x != 0 {
			return nil, fmt.Errorf("%w: its vector is not finite", ErrUnsupported)
		}
	}
	if t := out["states"]; t != nil {
		shape := t.Shape()
		switch {
		case len(shape) == 3 && shape[0] == 1:
			r.tokens, r.width = int(shape[1]), int(shape[2])
		case len(shape) == 2 && shape[0] == width:
			r.tokens, r.width = int(shape[0]), int(shape[1])
		}
	}
	if t := out[towers.Tokens]; t != nil {
		r.rows = t.Float32()
	}
	return r, nil
}

// textLength is the longest text that a pair reads.
func (s *Source) textLength(fixed int) int {
	for _, n := range []int{fixed, s.pairLength, s.words.tok.Frame().Length} {
		if n > 0 && n < 1<<15 {
			return n
		}
	}
	if s.Family == SigLIP {
		return 64
	}
	return tokenizer.CLIPLength
}

// aligning tries to make a tower give tokens; why says why it does not.
func (s *Source) aligning(ctx context.Context, f *towers.Foreign, a *adapted, r *found, path string, size [2]int) (_ *towers.Foreign, ok bool, why string) {
	plain := func(why string) (*towers.Foreign, bool, string) {
		again, err := s.pair.graph(path, f.Image)
		if err != nil {
			return f, false, err.Error()
		}
		again.Plain(size)
		return again, false, why
	}
	if r.tokens == 0 {
		return f, false, "could not be found in the graph"
	}
	skip := 0
	var sizes towers.ImageSizes
	if f.Image {
		if sizes, ok = towers.Square(r.tokens); !ok {
			if sizes, ok = towers.Square(r.tokens - 1); !ok {
				return f, false, fmt.Sprintf("are %d, no square of patches", r.tokens)
			}
			skip = 1
		}
		a.grid = sizes.Grid
	}
	if err := f.Aligning(r.width, r.dim, r.tokens, skip, sizes); err != nil {
		return plain("could not be projected: " + err.Error())
	}
	trial, err := s.probe(ctx, f, a, size)
	if err != nil {
		return plain("could not be projected: " + err.Error())
	}
	n := len(trial.rows) / r.dim
	switch want := a.grid[0] * a.grid[1]; {
	case f.Image && n != want || !f.Image && n == 0:
		return plain(fmt.Sprintf("give %d vectors", n))
	case !f.Image && !contains(trial.rows, trial.vectors[0]):
		return plain("do not hold the sentence's vector")
	}
	for _, x := range trial.rows {
		if x-x != 0 {
			return plain("have vectors that are not finite")
		}
	}
	return f, true, ""
}

// contains tells whether one of the rows is nearly the vector.
func contains(rows, v []float32) bool {
	for row := range slices.Chunk(rows, len(v)) {
		var dot float64
		for i, x := range row {
			dot += float64(x) * float64(v[i])
		}
		if dot > 0.99 {
			return true
		}
	}
	return false
}
