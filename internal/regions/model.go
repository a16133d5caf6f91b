package regions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// A model is one opened ONNX file with what its ModelConfig says.
type model struct {
	cfg     *ModelConfig
	session *ort.Session
	seer    *ort.Session // gives the feature maps alone, without what finds boxes behind them; nil: session does
	input   ort.Info
	outputs []string // those that are read
	maps    []string // those that are feature maps
	h, w    int
	resized bool // to another size than the file states
	batch   int  // pictures a run
	fixed   bool // the batch is part of the model
	gain    [3]float32
	bias    [3]float32 // a value v of channel c is given as v·gain[c] + bias[c]
	scratch sync.Pool  // *[]float32 of 3·h·w values
	inputs  sync.Pool  // *[]float32 of a run's
}

// seerMost is how large a file may be for its feature maps to have a session of their own.
const seerMost = 64 << 20

// openModel opens the file, with inner values that the configuration names made outputs.
// With flip, its feature maps are also wanted of mirrored pictures.
func openModel(cfg *ModelConfig, dir string, flip bool, opts *ort.Options) (*model, error) {
	path := filepath.Join(dir, cfg.File)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("regions: %w", err)
	}
	file, err := onnx.Unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrModel, path, err)
	}
	m := &model{cfg: cfg}
	if err := m.chooseOutputs(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var o ort.Options
	if opts != nil {
		o = *opts
	}
	o.Threads = 1 // pictures run side by side instead
	o.ControlFlow = cfg.ControlFlow
	if m.session, err = m.open(path, file, m.outputs, o); err != nil {
		return nil, err
	}
	if err := m.fitInput(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), m.close())
	}
	outside := slices.ContainsFunc(file.Graph.Initializers, func(t *onnx.Tensor) bool { return len(t.External) > 0 })
	if flip && len(m.maps) > 0 && len(m.maps) < len(m.outputs) && len(data) <= seerMost && !outside {
		if file, err = onnx.Unmarshal(data); err == nil {
			m.seer, err = m.open(path, file, m.maps, o)
		}
		if err != nil {
			return nil, errors.Join(err, m.close())
		}
	}
	for c := range 3 {
		m.gain[c] = float32(cfg.Scale / cfg.Std[c])
		m.bias[c] = float32(-cfg.Mean[c] / cfg.Std[c])
	}
	m.scratch.New = func() any {
		b := make([]float32, 3*m.h*m.w)
		return &b
	}
	return m, nil
}

// open opens a session of the file that gives some outputs; nil if they are constants.
func (m *model) open(path string, file *onnx.Model, outputs []string, o ort.Options) (*ort.Session, error) {
	o.Outputs = outputs
	before := len(file.Graph.Outputs)
	if err := file.Expose(outputs...); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrModel, path, err)
	}
	for _, o := range file.Graph.Outputs[before:] {
		if o.Type == onnx.Undefined {
			o.Type = onnx.Float // inner values rarely state their type, and features are floats
		}
	}
	if !slices.ContainsFunc(file.Graph.Nodes, func(n *onnx.Node) bool { return n.OpType == "QuantizeLinear" }) {
		// Weights that are stored as bytes become floats once, and not in every run: only a model that computes in bytes
		// has an eye for them.
		o.Config = maps.Clone(o.Config)
		if o.Config == nil {
			o.Config = map[string]string{}
		}
		o.Config["session.disable_quant_qdq"] = "1"
	}
	m.resized = m.resize(file)
	whole := len(file.Graph.Outputs) == before && !m.resized
	if len(outputs) < len(m.outputs) {
		file.Keep(outputs...)
		whole = false
		if len(file.Graph.Inputs) == 0 {
			return nil, nil // maps that are the same for all pictures
		}
	}
	var s *ort.Session
	var err error
	if whole {
		s, err = ort.Open(path, &o) // so that weights in other files are found
	} else {
		s, err = ort.Load(file.Marshal(), &o)
	}
	if err != nil {
		return nil, fmt.Errorf("regions: %s: %w", path, err)
	}
	return s, nil
}

func (m *model) close() error {
	err := m.session.Close()
	if m.seer != nil {
		err = errors.Join(err, m.seer.Close())
	}
	return err
}

// resize makes the model take pictures of the configured size where its file fixes another, if only a
// feature maps are wanted of it: what leads to them is convolutions in most backbones, and they take any size.
func (m *model) resize(file *onnx.Model) bool {
	if m.cfg.Size == nil || m.cfg.FeatureMaps == nil || m.cfg.Boxes != nil {
		return false
	}
	for _, in := range file.Graph.Inputs {
		if len(in.Shape) != 4 || m.cfg.Input != "" && in.Name != m.cfg.Input {
			continue
		}
		shape := append(onnx.Shape(nil), in.Shape...)
		first := 2
		if m.cfg.Layout == layoutNHWC {
			first = 1
		}
		changed := false
		for i, n := range m.cfg.Size {
			d := &shape[first+i]
			changed = changed || d.Fixed() && *d != onnx.D(n)
			*d = onnx.D(n)
		}
		if !changed {
			return false
		}
		file.Keep(m.outputs...)
		return file.ResizeInput(in.Name, shape)
	}
	return false
}

// chooseOutputs lists the outputs to read and fills in the default one.
func (m *model) chooseOutputs(file *onnx.Model) error {
	for _, f := range m.cfg.FeatureMaps {
		m.outputs = append(m.outputs, f.Output)
	}
	m.maps = slices.Clone(m.outputs)
	b := m.cfg.Boxes
	if b == nil {
		return nil
	}
	if b.Kind != boxesNMS && b.Output == "" {
		var names []string
		for _, o := range file.Graph.Outputs {
			names = append(names, o.Name)
		}
		if len(names) != 1 {
			return fmt.Errorf("%w: boxes.output is missing, and the model has the outputs %q", ErrConfig, names)
		}
		b.Output = names[0]
	}
	for _, name := range []string{b.Output, b.Boxes, b.Scores, b.Classes, b.Count} {
		if name != "" && !slices.Contains(m.outputs, name) {
			m.outputs = append(m.outputs, name)
		}
	}
	return nil
}

// fitInput finds the picture's input and settles its size and batch.
func (m *model) fitInput() error {
	infos := m.session.Inputs()
	at := slices.IndexFunc(infos, func(i ort.Info) bool { return i.Name == m.cfg.Input })
	if m.cfg.Input == "" && len(infos) == 1 {
		at = 0
	}
	if at < 0 || len(infos) != 1 {
		return fmt.Errorf("%w: input %q: the model has the inputs %v, and only a picture can be given", ErrModel, m.cfg.Input, infos)
	}
	m.input = infos[at]
	if t := m.input.Type; t != ort.TypeFloat32 && t != ort.TypeUint8 {
		return fmt.Errorf("%w: input %s: only float32 and uint8 can be given", ErrModel, m.input)
	}
	shape := m.input.Shape
	if shape == nil {
		shape = []int64{-1, -1, -1, -1}
	}
	if len(shape) != 4 {
		return fmt.Errorf("%w: input %s has not 4 dimensions", ErrModel, m.input)
	}
	channels, h, w := shape[1], shape[2], shape[3]
	if m.cfg.Layout == layoutNHWC {
		h, w, channels = shape[1], shape[2], shape[3]
	}
	if channels >= 0 && channels != 3 {
		return fmt.Errorf("%w: input %s has %d channels where layout %q wants 3", ErrModel, m.input, channels, m.cfg.Layout)
	}
	if m.cfg.Size == nil {
		if h <= 0 || w <= 0 {
			return fmt.Errorf("%w: size is missing, and input %s leaves it open", ErrConfig, m.input)
		}
		m.cfg.Size = []int{int(h), int(w)}
	}
	m.h, m.w = m.cfg.Size[0], m.cfg.Size[1]
	if h >= 0 && int(h) != m.h || w >= 0 && int(w) != m.w {
		return fmt.Errorf("%w: input %s does not take size %v", ErrModel, m.input, m.cfg.Size)
	}
	m.batch = m.cfg.Batch
	switch {
	case shape[0] > 0:
		m.batch, m.fixed = int(shape[0]), true
	case m.batch == 0 && m.session.Device() == "cpu":
		m.batch = 1
	case m.batch == 0:
		m.batch = 16
	}
	return nil
}

// A value is an output of a model for one picture.
type value struct {
	shape []int // the first is 1 where the model has a batch dimension
	data  []float32
}

// A reply is what a model says of one view.
type reply struct {
	frame  frame
	input  []float32  // the view as the model was given it, until release
	whole  *[]float32 // of the first of a run: all of its input
	values map[string]value
}

// run gives the views to the model.
func (m *model) run(ctx context.Context, views []view) ([]reply, error) {
	replies := make([]reply, len(views))
	err := eachBatch(len(views), m.batch, func(from, to int) error {
		return m.infer(ctx, m.session, m.outputs, replies[from:to], m.draw(views[from:to], replies[from:to]))
	})
	return replies, err
}

// mirror gives the model the mirror images of what it was given, for the feature maps alone.
func (m *model) mirror(ctx context.Context, seen []reply) ([]reply, error) {
	session, outputs := m.seer, m.maps
	if session == nil {
		session, outputs = m.session, m.outputs
	}
	replies := make([]reply, len(seen))
	err := eachBatch(len(seen), m.batch, func(from, to int) error {
		return m.infer(ctx, session, outputs, replies[from:to], m.reflect(seen[from:to], replies[from:to]))
	})
	return replies, err
}

// eachBatch calls f for batches of at most size things.
func eachBatch(n, size int, f func(from, to int) error) error {
	for from := 0; from < n; from += size {
		if err := f(from, min(from+size, n)); err != nil {
			return err
		}
	}
	return nil
}

// infer runs a session on the input, which is of as many pictures as there are replies to fill in.
func (m *model) infer(ctx context.Context, s *ort.Session, names []string, replies []reply, input []float32) error {
	n := len(input) / (3 * m.h * m.w)
	outputs, err := s.Run(ctx, map[string]*ort.Tensor{m.input.Name: m.tensor(input, n)}, names...)
	if err != nil {
		return fmt.Errorf("regions: model %q: %w", m.cfg.Name, err)
	}
	for i := range replies {
		replies[i].values = make(map[string]value, len(names))
		for name, t := range outputs {
			if replies[i].values[name], err = slice(name, t, i, n); err != nil {
				return fmt.Errorf("%w: model %q: %w", ErrModel, m.cfg.Name, err)
			}
		}
	}
	return nil
}

// room makes room for the input of a run over n pictures, and gives each its share. What a fixed batch has beyond
// them stays zero.
func (m *model) room(replies []reply) []float32 {
	size, n := 3*m.h*m.w, len(replies)
	if m.fixed {
		n = m.batch
	}
	whole, _ := m.inputs.Get().(*[]float32)
	if whole == nil || cap(*whole) < n*size {
		whole = new(make([]float32, n*size))
	}
	input := (*whole)[:n*size]
	clear(input[len(replies)*size:])
	for i := range replies {
		replies[i].input = input[i*size : (i+1)*size]
	}
	replies[0].whole = whole
	return input
}

// release gives back the inputs of replies, which are megabytes and soon wanted again.
func (m *model) release(replies []reply) {
	for i := range replies {
		if whole := replies[i].whole; whole != nil {
			replies[i].input, replies[i].whole = nil, nil
			m.inputs.Put(whole)
		}
	}
}

// draw makes the input of views.
func (m *model) draw(views []view, replies []reply) []float32 {
	input := m.room(replies)
	planes := m.scratch.Get().(*[]float32)
	defer m.scratch.Put(planes)
	for i, v := range views {
		r := &replies[i]
		r.frame = m.cfg.Resize.frame(v.w(), v.h(), m.w, m.h)
		m.cfg.Resize.draw(*planes, v, r.frame)
		m.arrange(r.input, *planes)
	}
	return input
}

// reflect makes the input of the mirror images of views: to the bit what draw makes of mirrored views.
func (m *model) reflect(seen, replies []reply) []float32 {
	input := m.room(replies)
	pixel, rows := 1, 3*m.h // of planes
	if m.cfg.Layout == layoutNHWC {
		pixel, rows = 3, m.h
	}
	for i := range replies {
		f := seen[i].frame
		replies[i].frame = f
		copy(replies[i].input, seen[i].input)
		for y := range rows {
			if inside := y % m.h; inside < f.y || inside >= f.y+f.dh {
				continue
			}
			row := replies[i].input[y*m.w*pixel:][f.x*pixel : (f.x+f.dw)*pixel]
			for a, b := 0, len(row)-pixel; a < b; a, b = a+pixel, b-pixel {
				for c := range pixel {
					row[a+c], row[b+c] = row[b+c], row[a+c]
				}
			}
		}
	}
	return input
}

// tensor is the input for n pictures as the model reads it.
func (m *model) tensor(input []float32, n int) *ort.Tensor {
	shape := []int64{int64(n), 3, int64(m.h), int64(m.w)}
	if m.cfg.Layout == layoutNHWC {
		shape = []int64{int64(n), int64(m.h), int64(m.w), 3}
	}
	if m.input.Type == ort.TypeUint8 {
		bytes := make([]uint8, len(input))
		for i, v := range input {
			bytes[i] = uint8(min(max(v+0.5, 0), 255))
		}
		return ort.Uint8(shape, bytes)
	}
	return ort.Float32(shape, input)
}

// arrange writes the planes of red, green and blue in the model's layout and numbers.
func (m *model) arrange(dst, planes []float32) {
	n := m.h * m.w
	for c := range 3 {
		plane := planes[c*n : (c+1)*n]
		gain, bias := m.gain[c], m.bias[c]
		at := c
		if m.cfg.Channels == "BGR" {
			at = 2 - c
		}
		if m.cfg.Layout == layoutNCHW {
			out := dst[at*n : (at+1)*n]
			for i, v := range plane {
				out[i] = float32(v*gain) + bias
			}
			continue
		}
		for i, v := range plane {
			dst[3*i+at] = float32(v*gain) + bias
		}
	}
}

// slice is picture i's share of an output for n pictures.
func slice(name string, t *ort.Tensor, i, n int) (value, error) {
	data, err := floats(t)
	if err != nil {
		return value{}, fmt.Errorf("output %q: %w", name, err)
	}
	v := value{shape: make([]int, len(t.Shape())), data: data}
	for k, d := range t.Shape() {
		v.shape[k] = int(d)
	}
	if n == 1 {
		return v, nil
	}
	if len(v.shape) == 0 || v.shape[0] != n {
		return value{}, fmt.Errorf("output %q has shape %v for a batch of %d pictures; set batch to 1", name, v.shape, n)
	}
	v.shape[0] = 1
	each := len(data) / n
	v.data = data[i*each : (i+1)*each]
	return v, nil
}

// floats is the tensor's values as float32.
func floats(t *ort.Tensor) ([]float32, error) {
	switch t.Type() {
	case ort.TypeFloat32:
		return t.Float32(), nil
	case ort.TypeInt64:
		return converted(t.Int64()), nil
	case ort.TypeInt32:
		return converted(t.Int32()), nil
	case ort.TypeFloat64:
		return converted(t.Float64()), nil
	}
	return nil, fmt.Errorf("type %s cannot be read", t.Type())
}

func converted[T int32 | int64 | float64](in []T) []float32 {
	out := make([]float32, len(in))
	for i, v := range in {
		out[i] = float32(v)
	}
	return out
}
