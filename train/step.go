package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/train/graph"
)

// A Step is the compiled training step of a network: one graph that holds forward, losses and backward,
// and the parameters it works on, which live in Go and are read by the graph in place.
type Step struct {
	Params  *Params
	session *ort.Session
	binding *ort.Binding
	outputs []*gradOut
	losses  []string // names of the loss parts, in the order of the output "losses"
	parts   *ort.Tensor
	drops   *dropouts
	shape   [4]int
	// together says that the step is for RunAll.
	together bool
}

// captionPrefix tells the step's inputs for captions from those for images.
const captionPrefix = "cap_"

// examplesInput is the step's input for Batch.Examples.
const examplesInput = "examples"

// gradOut is where one parameter's gradient comes out: dense, or as rows from one or more look-ups.
type gradOut struct {
	param string
	dense *ort.Tensor
	rows  []rowsOut
}

type rowsOut struct {
	values string // the graph's output
	source string // the batch input that holds the indices
	tensor *ort.Tensor
}

// StepOptions say how a Step is compiled.
type StepOptions struct {
	Threads int
	Device  string
	// Distil leaves the distillation loss out when false (before activate-distillation-after).
	Distil bool
	// Full says that sequences have no padding worth leaving out.
	Full bool
	// NoDropout compiles without dropout: for tests and gradients' checks.
	NoDropout bool
	// Together makes a step for RunAll in place of Run.
	Together bool
}

// inputParams makes parameters inputs of the graph and remembers them.
type inputParams struct {
	made   []*onnx.Value
	params []nn.Param
}

func (p *inputParams) Param(b *onnx.Builder, par nn.Param) (*onnx.Value, error) {
	shape := onnx.Shape{}
	for _, d := range par.Shape {
		shape = append(shape, onnx.D(d))
	}
	v := b.Input(par.Name, onnx.Float, shape)
	p.made = append(p.made, v)
	p.params = append(p.params, par)
	return v, nil
}

// NewStep builds and compiles the training step for a network and a configuration. Parameters that
// params lacks are added to it, started by seed.
func NewStep(net nn.Config, cfg *Config, params *Params, opts StepOptions) (*Step, error) {
	s := &Step{Params: params, together: opts.Together}
	b, source, total, err := s.build(net, cfg, opts)
	if err != nil {
		return nil, err
	}
	var wrt []*onnx.Value
	for i, v := range source.made {
		if !frozenParam(cfg, source.params[i].Name) {
			wrt = append(wrt, v)
		}
	}
	grads, err := graph.Gradients(b, total, wrt)
	if err != nil {
		return nil, err
	}
	for i, g := range grads {
		s.declare(b, wrt[i], g)
	}
	if len(s.outputs) == 0 {
		return nil, fmt.Errorf("%w: no parameter learns: model.freeze-teran freezes all that loss-type %q depends on", ErrConfig, cfg.Training.LossType)
	}
	model, err := b.Model("aladin training step")
	if err != nil {
		return nil, err
	}
	model.EarlyOutputs()
	if opts.Together {
		if model, err = together(model, source.params); err != nil {
			return nil, err
		}
	}
	for _, p := range source.params {
		if err := params.ensure(p, cfg.Training.Seed); err != nil {
			return nil, err
		}
	}
	if s.session, err = ort.Load(model.Marshal(), &ort.Options{Threads: opts.Threads, Device: opts.Device, Spin: true, Lean: true}); err != nil {
		return nil, err
	}
	if s.binding, err = s.session.Bind(); err == nil {
		err = s.bindParams(source.params)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// build makes the graph of the losses, with all parameters as inputs.
func (s *Step) build(net nn.Config, cfg *Config, opts StepOptions) (b *onnx.Builder, source *inputParams, total *onnx.Value, err error) {
	b, source = onnx.NewBuilder(), &inputParams{}
	n, err := nn.New(b, net, source)
	if err != nil {
		return nil, nil, nil, err
	}
	n.Training, n.Loose = true, opts.Together
	n.Recompute = cfg.Training.GradientCheckpointing
	// The regulariser of hidden states averages over padding, too.
	n.Pack = !opts.Full && !slices.Contains(cfg.Losses(), "regularizehidden")
	if !opts.NoDropout {
		s.drops = newDropouts(b, cfg)
		s.drops.together = opts.Together
		n.Dropout = s.drops.apply
	}
	total, err = s.forward(b, n, cfg, opts)
	return b, source, total, err
}

// frozenParam tells whether a parameter stays as it is: the regions' statistics and the stop words always;
// the backbone and the layers before alignment under freeze-teran.
func frozenParam(cfg *Config, name string) bool {
	if name == nn.RegionMean || name == nn.RegionScale || name == nn.KeptWords {
		return true
	}
	return cfg.Model.FreezeTeran && (strings.Contains(name, "oscar_model.") || strings.Contains(name, "transformer_encoder_") ||
		strings.Contains(name, "align_") || strings.Contains(name, "model_alignment.") || strings.Contains(name, "feature_fusion."))
}

// forward builds the network's two passes and the losses; the parts come out as one vector "losses",
// the total first.
func (s *Step) forward(b *onnx.Builder, n *nn.Net, cfg *Config, opts StepOptions) (*onnx.Value, error) {
	words, mask := nn.TextInputs(b, n.Config, captionPrefix)
	labels, types, labelMask, regions, regionMask := nn.ImageInputs(b, n.Config)

	frozenDrop := n.Dropout
	if cfg.Model.FreezeTeran && !cfg.Model.FrozenDropout {
		n.Dropout = nil
	}
	textStates := n.EncodeText(words, mask)
	imageStates := n.EncodeImage(labels, types, labelMask, regions, regionMask)
	n.Dropout = frozenDrop
	text, image := n.Text(textStates), n.Image(imageStates)

	l := losses{b: b, net: n}
	t := &cfg.Training
	if t.Softness > 0 {
		n.Softness = b.Input("softness", onnx.Float, onnx.Of(1))
		n.LeastSoftness = t.leastSoftness()
	}
	names := cfg.Losses()
	matching, err := l.scores(t.Measure, image.Matching, text.Matching)
	if err != nil {
		return nil, err
	}
	var align *onnx.Value
	if slices.ContainsFunc(names, func(n string) bool { return n == "alignment" || n == "distillation" || n == imitation }) {
		align = n.Scores(image, text, 0)
	}
	var parts []*onnx.Value
	var total *onnx.Value
	for i, name := range names {
		var v *onnx.Value
		switch name {
		case "alignment":
			v = l.contrast(align, first(t.AlignContrast, t.Contrast), t, "alignment_criterion.logit_scale", t.AlignTemperature)
		case "matching":
			v = l.contrast(matching, t.Contrast, t, "matching_criterion.logit_scale", t.Temperature)
		case "distillation":
			if !opts.Distil && len(names) > 1 {
				continue
			}
			teacher := align
			if t.DistillTeacherScale != 1 {
				teacher = b.MulS(align, float32(t.DistillTeacherScale))
			}
			if v, err = l.distillation(t.DistillationMode, teacher, matching, float32(t.DistillTemperature)); err != nil {
				return nil, err
			}
		case imitation:
			v = l.imitation(b.Input(examplesInput, onnx.Float, matching.Shape), matching, align, float32(t.ImitationScale))
		case "entropy":
			v = l.entropy(image.Matching, text.Matching)
		case "regularizehidden":
			v = l.hiddenNorm(n.Tight(textStates, true), n.Tight(imageStates, false))
		}
		v = b.Reshape(v, onnx.D(1))
		s.losses = append(s.losses, name)
		parts = append(parts, v)
		if t.LossWeights.Auto {
			w := n.Param("loss_weights."+name, nn.Init{Value: -2.3}, 1)
			v = b.MulS(b.Add(b.Mul(v, b.Exp(b.Neg(w))), w), 0.5)
		} else {
			v = b.MulS(v, float32(cfg.LossWeight(i)))
		}
		if total == nil {
			total = v
		} else {
			total = b.Add(total, v)
		}
	}
	if total == nil {
		return nil, fmt.Errorf("%w: loss-type %q leaves no loss", ErrConfig, t.LossType)
	}
	s.losses = append([]string{"total"}, s.losses...)
	b.Output("losses", b.Concat(0, append([]*onnx.Value{total}, parts...)...))
	return total, n.Err()
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// contrast is a head's own loss.
func (l losses) contrast(s *onnx.Value, kind string, t *TrainingConfig, scaleName string, temperature float64) *onnx.Value {
	if kind == "infonce" {
		return l.infoNCE(s, scaleName, float32(-math.Log(temperature)))
	}
	return l.triplet(s, float32(t.Margin), t.MaxViolation)
}

// declare makes outputs of a parameter's gradient.
func (s *Step) declare(b *onnx.Builder, p *onnx.Value, g graph.Grad) {
	out := &gradOut{param: p.Name}
	switch {
	case g.Dense != nil:
		b.Output("grad:"+p.Name, g.Dense)
		out.dense = &ort.Tensor{}
	case len(g.Rows) > 0:
		for i, r := range g.Rows {
			name := fmt.Sprintf("grad:%s:%d", p.Name, i)
			b.Output(name, r.Values)
			ro := rowsOut{values: name, source: r.Indices.Name}
			out.rows = append(out.rows, ro)
		}
	default:
		return
	}
	s.outputs = append(s.outputs, out)
}

func (s *Step) bindParams(params []nn.Param) error {
	for _, p := range params {
		v := s.Params.byName[p.Name]
		if err := s.binding.Input(p.Name, ort.Float32(int64s(p.Shape), v.Data)); err != nil {
			return err
		}
	}
	for _, o := range s.outputs {
		if o.dense == nil {
			continue
		}
		v := s.Params.byName[o.param]
		o.dense = ort.Float32(int64s(v.Shape), make([]float32, len(v.Data)))
		if err := s.binding.Output("grad:"+o.param, o.dense); err != nil {
			return err
		}
	}
	if s.together {
		return nil // their number is each run's
	}
	s.parts = ort.Float32([]int64{int64(len(s.losses))}, make([]float32, len(s.losses)))
	return s.binding.Output("losses", s.parts)
}

func int64s(v []int) []int64 {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(x)
	}
	return out
}

// Run computes losses and gradients for a batch. The result aliases the step's memory until the next
// Run. rng draws the dropout masks.
func (s *Step) Run(ctx context.Context, batch *Batch, rng *rand.Rand) (*Result, error) {
	in := batch.tensors()
	if batch.Softness > 0 {
		in["softness"] = ort.Float32([]int64{1}, []float32{batch.Softness})
	}
	if s.drops != nil {
		if err := s.drops.inputs(in, batch.sizes(), 1, rng); err != nil {
			return nil, err
		}
	}
	for _, info := range s.session.Inputs() {
		if x, ok := in[info.Name]; ok {
			if err := s.binding.Input(info.Name, x); err != nil {
				return nil, err
			}
		}
	}
	if shape := [4]int{batch.Captions.B, batch.Captions.T, batch.Images.L, batch.Images.R}; shape != s.shape {
		if err := s.bindRows(batch); err != nil {
			return nil, err
		}
		s.shape = shape
	}
	start := time.Now()
	if err := s.binding.Run(ctx); err != nil {
		return nil, err
	}
	took := time.Since(start)
	res, err := s.result(batch)
	if err == nil {
		res.Runtime = took
	}
	return res, err
}

// sizes are those of a batch's dimensions by name.
func (b *Batch) sizes() map[string]int {
	sizes := map[string]int{"B": b.Captions.B, "T": b.Captions.T, "L": b.Images.L, "R": b.Images.R}
	for length, mask := range map[string][]int64{"T": b.Captions.Mask, "L": b.Images.LabelMask, "R": b.Images.RegionMask} {
		kept := 0
		for _, m := range mask {
			if m != 0 {
				kept++
			}
		}
		sizes[nn.KeptDim(length)] = kept
	}
	return sizes
}

// bindRows gives the sparse gradients memory of the batch's size.
func (s *Step) bindRows(batch *Batch) error {
	for _, o := range s.outputs {
		v := s.Params.byName[o.param]
		for i := range o.rows {
			r := &o.rows[i]
			shape := rowShape(r, batch)
			width := len(v.Data) / v.Shape[0]
			n := 1
			for _, d := range shape {
				n *= int(d)
			}
			if r.tensor != nil && r.tensor.Len() == n*width && slices.Equal(r.tensor.Shape()[:len(shape)], shape) {
				continue
			}
			r.tensor = ort.Float32(append(shape, int64(width)), make([]float32, n*width))
			if err := s.binding.Output(r.values, r.tensor); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowShape is the shape of the indices of a look-up.
func rowShape(r *rowsOut, batch *Batch) []int64 {
	if r.source == "cap_ids" {
		return []int64{int64(batch.Captions.B), int64(batch.Captions.T)}
	}
	return []int64{int64(batch.Images.B), int64(batch.Images.L)}
}

// A Result is what one Run computed.
type Result struct {
	Names  []string  // of the losses, "total" first
	Losses []float64 // likewise
	Grads  []Gradient
	// Runtime is the time that ONNX Runtime took.
	Runtime time.Duration
}

// A Gradient is of one parameter: dense, or rows of it (see Update).
type Gradient struct {
	Name  string
	Grad  []float32
	Index []int
	Width int
}

// Norm is the global Euclidean norm of all gradients.
func (r *Result) Norm() float64 {
	var sum float64
	for _, g := range r.Grads {
		sum += normSquared(g.Grad)
	}
	return math.Sqrt(sum)
}

func (s *Step) result(batch *Batch) (*Result, error) {
	res := &Result{Names: s.losses}
	for _, x := range s.parts.Float32() {
		res.Losses = append(res.Losses, float64(x))
	}
	for _, o := range s.outputs {
		v := s.Params.byName[o.param]
		g := Gradient{Name: o.param, Width: len(v.Data) / v.Shape[0]}
		if o.dense != nil {
			g.Grad = o.dense.Float32()
		} else {
			g.Index, g.Grad = o.sparse(batch, g.Width)
		}
		res.Grads = append(res.Grads, g)
	}
	return res, nil
}

// sparse adds up the rows of all look-ups by index, in the order of the batch.
func (o *gradOut) sparse(batch *Batch, width int) ([]int, []float32) {
	place := map[int]int{}
	var index []int
	visit := func(f func(id int, row []float32)) {
		for _, r := range o.rows {
			ids := map[string][]int64{"cap_ids": batch.Captions.IDs, "label_ids": batch.Images.LabelIDs, "label_types": batch.Images.LabelTypes}[r.source]
			values := r.tensor.Float32()
			for i, id := range ids {
				f(int(id), values[i*width:(i+1)*width])
			}
		}
	}
	visit(func(id int, _ []float32) {
		if _, ok := place[id]; !ok {
			place[id] = 0
			index = append(index, id)
		}
	})
	sort.Ints(index)
	for i, id := range index {
		place[id] = i
	}
	grad := make([]float32, len(index)*width)
	visit(func(id int, row []float32) {
		dst := grad[place[id]*width:][:width]
		for i, x := range row {
			dst[i] += x
		}
	})
	return index, grad
}

// Close frees the session.
func (s *Step) Close() error {
	if s.binding != nil {
		s.binding.Close()
	}
	if s.session != nil {
		return s.session.Close()
	}
	return nil
}
