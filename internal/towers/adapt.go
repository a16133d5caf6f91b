package towers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/onnx"
)

// A Foreign is a tower that somebody exported as an ONNX graph.
type Foreign struct {
	Model *onnx.Model
	Image bool // it reads pictures, else texts

	input  *onnx.ValueInfo
	mask   string
	embeds string // output
	states string // output with the states of all tokens, or ""
}

// sentenceOutputs are what exporters call the vector of a text or picture, the best first, stateOutputs the
// states behind it.
var (
	sentenceOutputs = [2][]string{
		{"text_embeds", "sentence_embedding", "text_features", "embedding", "embeddings", "pooler_output"},
		{"image_embeds", "image_features", "embedding", "embeddings", "pooler_output"},
	}
	stateOutputs = []string{"last_hidden_state"}
)

func isIDs(v *onnx.ValueInfo) bool {
	return (v.Type == onnx.Int64 || v.Type == onnx.Int32) && len(v.Shape) == 2 && !isMask(v)
}

func isMask(v *onnx.ValueInfo) bool { return strings.Contains(v.Name, "mask") }

func isPixels(v *onnx.ValueInfo) bool {
	return (v.Type == onnx.Float || v.Type == onnx.Float16) && len(v.Shape) == 4 && (v.Shape[1] == onnx.D(3) || !v.Shape[1].Fixed())
}

// NewForeign finds out what a graph's inputs and outputs are. It may change the model. embeds names the output
// that is wanted, if not "".
func NewForeign(m *onnx.Model, image bool) (*Foreign, error) {
	f := &Foreign{Model: m, Image: image}
	side := 0
	if image {
		side = 1
	}
	var names []string
	for _, o := range m.Graph.Outputs {
		names = append(names, o.Name)
		if slices.Contains(stateOutputs, o.Name) {
			f.states = o.Name
		}
	}
	for _, want := range sentenceOutputs[side] {
		if f.embeds == "" && slices.Contains(names, want) {
			f.embeds = want
		}
	}
	if f.embeds == "" && len(names) == 1 {
		f.embeds = names[0]
	}
	if f.embeds == "" {
		return nil, fmt.Errorf("%w: none of the outputs %q is known as the vector of a text or picture (%s)", ErrUnsupported, names, strings.Join(sentenceOutputs[side], ", "))
	}
	kept := []string{f.embeds}
	if f.states != "" && f.states != f.embeds {
		kept = append(kept, f.states)
	}
	m.Keep(kept...) // of a graph with both towers this is one
	for _, in := range m.Graph.Inputs {
		switch {
		case image && isPixels(in) || !image && isIDs(in):
			if f.input != nil {
				return nil, fmt.Errorf("%w: it reads both %s and %s", ErrUnsupported, f.input.Name, in.Name)
			}
			f.input = in
		case !image && isMask(in) && (in.Type == onnx.Int64 || in.Type == onnx.Int32):
			f.mask = in.Name
		case slices.ContainsFunc(m.Graph.Initializers, func(t *onnx.Tensor) bool { return t.Name == in.Name }):
			// an old way to write constants
		default:
			return nil, fmt.Errorf("%w: it reads %s %v %v, and nothing says what that is", ErrUnsupported, in.Name, in.Type, in.Shape)
		}
	}
	if f.input == nil {
		return nil, fmt.Errorf("%w: it reads neither token ids [batch, tokens] nor pixels [batch, 3, height, width]", ErrUnsupported)
	}
	return f, nil
}

// Length is the fixed length of texts, 0 where it is free.
func (f *Foreign) Length() int {
	if d := f.input.Shape[1]; !f.Image && d.Fixed() && d.Size > 0 {
		return int(d.Size)
	}
	return 0
}

// Size is the height and width of pictures, 0 where they are free.
func (f *Foreign) Size() (out [2]int) {
	for i := range 2 {
		if d := f.input.Shape[2+i]; d.Fixed() && d.Size > 0 {
			out[i] = int(d.Size)
		}
	}
	return out
}

// inputs gives the graph the inputs of a bundle's. size counts where the graph leaves it open.
func (f *Foreign) inputs(e *onnx.Editor, size [2]int) {
	shape := slices.Clone(f.input.Shape)
	if f.Image {
		shape[1], shape[2], shape[3] = onnx.D(3), onnx.D(size[0]), onnx.D(size[1])
	}
	if !shape[0].Fixed() {
		shape[0] = onnx.Sym("B")
	}
	name, t := "ids", onnx.Int64
	if f.Image {
		name, t = "pixels", onnx.Float
	} else if !shape[1].Fixed() {
		shape[1] = onnx.Sym("S")
	}
	e.Input(f.input.Name, &onnx.ValueInfo{Name: name, Type: t, Shape: shape})
	if f.mask != "" {
		e.Input(f.mask, &onnx.ValueInfo{Name: "mask", Type: onnx.Int64, Shape: shape})
	}
}

// Plain makes the graph one of a bundle without tokens. If it has states, as an output or inside, the output
// "states" gives them raw, to find out their shape.
func (f *Foreign) Plain(size [2]int) {
	e := f.Model.Edit()
	f.inputs(e, size)
	f.Model.Graph.Outputs = nil
	e.Output(Matching, e.Unit(e.Cast(f.embeds, onnx.Float)))
	if s := f.source(); s.value != "" {
		e.Output("states", e.Cast(s.value, onnx.Float))
	}
	f.keep()
}

func (f *Foreign) keep() {
	var names []string
	for _, o := range f.Model.Graph.Outputs {
		names = append(names, o.Name)
	}
	f.Model.Keep(names...)
}

// A source is where the states of all tokens lie from which one is chosen, or a head pools.
type source struct {
	value  string // the states
	chosen string // what is made of the one state; "" where a head pools
}

// source walks back from the vector to the states.
func (f *Foreign) source() source {
	makers := map[string]*onnx.Node{}
	for _, n := range f.Model.Graph.Nodes {
		for _, o := range n.Outputs {
			makers[o] = n
		}
	}
	constant := map[string]bool{"": true}
	for _, t := range f.Model.Graph.Initializers {
		constant[t.Name] = true
	}
	for _, n := range f.Model.Graph.Nodes {
		if n.OpType == "Constant" {
			for _, o := range n.Outputs {
				constant[o] = true
			}
		}
	}
	// The way from the vector, by each node's first input that is no constant.
	reshaped := "" // the last value, going back, since which nothing but shapes changed
	products := 0
	at := f.embeds
	const longest = 400
	for range longest {
		n := makers[at]
		if n == nil {
			break
		}
		i := slices.IndexFunc(n.Inputs, func(in string) bool { return !constant[in] })
		if i < 0 {
			break
		}
		switch n.OpType {
		case "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity":
			if reshaped == "" {
				reshaped = at
			}
		case "MatMul", "Gemm", "MatMulInteger":
			products++
			reshaped = ""
		case "Gather", "GatherND":
			if constant[n.Inputs[0]] { // a table
				return source{}
			}
			if products == 0 { // of what a head has pooled
				if f.states != "" {
					return source{value: f.states}
				}
				return source{}
			}
			if reshaped == "" {
				reshaped = at
			}
			return source{value: n.Inputs[0], chosen: reshaped}
		case "ReduceMean", "Softmax", "Conv":
			if f.states != "" && n.OpType != "ReduceMean" {
				return source{value: f.states}
			}
			if n.OpType != "ReduceMean" {
				return source{}
			}
			reshaped = ""
		default:
			reshaped = ""
		}
		at = n.Inputs[i]
	}
	return source{}
}

// Aligning makes a graph that [Foreign.Plain] made give tokens, too. The states are […, tokens, width]; rows of
// vectors have dim values. Of a picture's tokens the first few are left out (a class token), and the others, of rows×cols
// patches, become the cells of grid.
func (f *Foreign) Aligning(width, dim, tokens, skip int, s ImageSizes) error {
	e := f.Model.Edit()
	from := f.source()
	rows := e.Reshape(from.value, -1, int64(width))
	again := from.chosen
	if again == "" {
		again, rows = from.value, e.Reshape(from.value, -1, 1, int64(width))
	}
	all, err := e.Replay(again, rows, f.embeds)
	if err != nil {
		return err
	}
	all = e.Cast(all, onnx.Float)
	if f.Image {
		all = e.Reshape(all, -1, int64(tokens), int64(dim))
		if skip > 0 {
			all = e.Slice(all, 1, int64(skip), int64(tokens))
		}
		if share := s.share(); share != nil {
			all = e.Product(e.Floats(share, int64(s.Grid[0]*s.Grid[1]), int64(s.Rows*s.Cols)), all)
		}
	} else {
		all = e.ReshapeLike(all, "ids", int64(dim))
	}
	e.Output(Tokens, e.Unit(all))
	f.Model.Graph.Outputs = slices.DeleteFunc(f.Model.Graph.Outputs, func(v *onnx.ValueInfo) bool { return v.Name == "states" })
	f.keep()
	return nil
}

// Finish drops what was for finding out only, makes bytes of the weights if that is wanted, and moves them to data.
func (f *Foreign) Finish(data *onnx.DataFile, p Precision) (quantized bool, err error) {
	f.Model.Graph.Outputs = slices.DeleteFunc(f.Model.Graph.Outputs, func(v *onnx.ValueInfo) bool { return v.Name == "states" })
	f.keep()
	quantized = slices.ContainsFunc(f.Model.Graph.Nodes, func(n *onnx.Node) bool { return strings.Contains(n.OpType, "Integer") })
	if p == Int8 && !quantized {
		return true, quantize(f.Model, data)
	}
	f.Model.MoveOut(data, smallTensor)
	return quantized, nil
}
