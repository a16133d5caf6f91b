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

	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/input"
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
	losses  []string    // names of the loss parts, in the order of the output "losses"
	values  *ort.Tensor // theirs
	split   split
	drops   *dropouts
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
	sum   []float32 // of the rows, by index
}

type rowsOut struct {
	values string // the graph's output
	source string // the input that holds the indices
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
	// Like, when set, is a batch of about the size of those to come. On a CPU the step takes large ones in parts that
	// fit a core's cache, as many for all its batches: none may have fewer pairs.
	Like *Batch

	split *split // in place of what Like makes it
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
	n.Training = true
	if opts.Together {
		n.Loose = &nn.Least{Tokens: input.MinTokens, Regions: input.MinRegions}
	}
	n.Recompute = cfg.Training.GradientCheckpointing
	// The regulariser of hidden states averages over those of all pairs and of padding, too.
	hidden := slices.Contains(cfg.Losses(), "regularizehidden")
	n.Pack = !opts.Full && !hidden
	if !opts.Together && !hidden {
		s.split = opts.parts(net.Hidden)
	}
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
	drop, frozen := n.Dropout, cfg.Model.FreezeTeran && !cfg.Model.FrozenDropout
	encoded := func(encode func() nn.States) nn.States {
		if frozen {
			n.Dropout = nil
			defer func() { n.Dropout = drop }()
		}
		return encode()
	}
	var textStates, imageStates nn.States // of the last part
	captions, images := make([]nn.Side, s.split.captions.count()), make([]nn.Side, s.split.images.count())
	for i := range captions {
		prefix, batch := s.split.captions.names(i)
		textStates = encoded(func() nn.States { return n.EncodeText(nn.TextInputs(b, n.Config, prefix+captionPrefix, batch)) })
		captions[i] = n.Text(textStates)
	}
	for i := range images {
		prefix, batch := s.split.images.names(i)
		imageStates = encoded(func() nn.States { return n.EncodeImage(nn.ImageInputs(b, n.Config, prefix, batch)) })
		images[i] = n.Image(imageStates)
	}
	text, image := n.Join(captions, batchDim), n.Join(images, batchDim)

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
	s.values = ort.Float32([]int64{int64(len(s.losses))}, make([]float32, len(s.losses)))
	return s.binding.Output("losses", s.values)
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
	if most := max(s.split.captions.n, s.split.images.n); batch.Captions.B < most {
		return nil, fmt.Errorf("%w: a batch of %d for a step made for batches of at least %d pairs", ErrData, batch.Captions.B, most)
	}
	in := s.split.tensors(batch)
	if batch.Softness > 0 {
		in["softness"] = ort.Float32([]int64{1}, []float32{batch.Softness})
	}
	if s.drops != nil {
		if err := s.drops.inputs(in, s.split.sizes(batch), 1, rng); err != nil {
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
	if err := s.bindRows(in); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := s.binding.Run(ctx); err != nil {
		return nil, err
	}
	took := time.Since(start)
	res, err := s.result(in)
	if err == nil {
		res.Runtime = took
	}
	return res, err
}

// bindRows gives the sparse gradients memory of the size of their indices.
func (s *Step) bindRows(in map[string]*ort.Tensor) error {
	for _, o := range s.outputs {
		v := s.Params.byName[o.param]
		for i := range o.rows {
			r := &o.rows[i]
			ids := in[r.source]
			shape := append(slices.Clone(ids.Shape()), int64(len(v.Data)/v.Shape[0]))
			if r.tensor != nil && slices.Equal(r.tensor.Shape(), shape) {
				continue
			}
			r.tensor = ort.Float32(shape, make([]float32, ids.Len()*len(v.Data)/v.Shape[0]))
			if err := s.binding.Output(r.values, r.tensor); err != nil {
				return err
			}
		}
	}
	return nil
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

// result collects the results of a run on inputs.
func (s *Step) result(in map[string]*ort.Tensor) (*Result, error) {
	res := &Result{Names: s.losses}
	for _, x := range s.values.Float32() {
		res.Losses = append(res.Losses, float64(x))
	}
	for _, o := range s.outputs {
		v := s.Params.byName[o.param]
		g := Gradient{Name: o.param, Width: len(v.Data) / v.Shape[0]}
		if o.dense != nil {
			g.Grad = o.dense.Float32()
		} else {
			g.Index, g.Grad = o.sparse(in, g.Width)
		}
		res.Grads = append(res.Grads, g)
	}
	return res, nil
}

// sparse adds up the rows of all look-ups by index.
func (o *gradOut) sparse(in map[string]*ort.Tensor, width int) ([]int, []float32) {
	place := map[int]int{}
	var index []int
	visit := func(f func(id int, row []float32)) {
		for _, r := range o.rows {
			values := r.tensor.Float32()
			for i, id := range in[r.source].Int64() {
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
	// The memory of the step before: of new memory every page would have to be mapped first.
	o.sum = slices.Grow(o.sum[:0], len(index)*width)[:len(index)*width]
	clear(o.sum)
	visit(func(id int, row []float32) {
		blas32.Axpy(1, blas32.Vector{N: width, Inc: 1, Data: row}, blas32.Vector{N: width, Inc: 1, Data: o.sum[place[id]*width:]})
	})
	return index, o.sum
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
