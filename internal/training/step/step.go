package step

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/grad"
	"github.com/aladin-go/aladin/internal/training/loss"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
)

// A Step is the compiled training step of a network: one graph that holds forward, losses and backward,
// and the parameters it works on, which live in Go and are read by the graph in place.
type Step struct {
	Params  *param.Set
	session *ort.Session
	binding *ort.Binding
	outputs []*gradOut
	losses  []string    // names of the loss parts, in the order of the output "losses"
	values  *ort.Tensor // theirs, batch by batch
	split   split
	drops   *dropouts
	// together says that a run takes several batches.
	together bool
}

// gradOut is where one parameter's gradient comes out: dense, or as rows from one or more look-ups.
type gradOut struct {
	param nn.Param
	dense *ort.Tensor
	rows  []rowsOut
	sum   []float32 // of the rows, by index
}

type rowsOut struct {
	values string // the graph's output
	source string // the input that holds the indices
	tensor *ort.Tensor
}

// Options say how a Step is compiled.
type Options struct {
	Threads int
	Device  string
	// Distil leaves the distillation loss out when false (before activate-distillation-after).
	Distil bool
	// Full says that batches contain too little padding for packing to pay off.
	Full bool
	// NoDropout compiles without dropout: for tests and gradients' checks.
	NoDropout bool
	// Together makes a step whose runs take several batches at once.
	Together bool
	// Like, when set, is a batch of typical size. On a CPU the step cuts large batches into parts that fit a core's cache,
	// always into the same number: no batch may have fewer pairs than that.
	Like *dataset.Batch

	split *split // in place of what Like makes it
}

// New builds and compiles the training step for a network and a configuration. Parameters that
// params lacks are added to it, started by seed.
func New(net nn.Config, cfg *config.Config, params *param.Set, opts Options) (*Step, error) {
	s := &Step{Params: params, together: opts.Together}
	b, source, total, err := s.build(net, cfg, opts)
	if err != nil {
		return nil, err
	}
	var wrt []*onnx.Value
	var learned []nn.Param
	for i, p := range source.Params {
		if !Frozen(cfg, p) {
			wrt, learned = append(wrt, source.Values[i]), append(learned, p)
		}
	}
	grads, err := grad.Gradients(b, total, wrt)
	if err != nil {
		return nil, err
	}
	for i, g := range grads {
		s.declare(b, learned[i], g)
	}
	if len(s.outputs) == 0 {
		return nil, fmt.Errorf("%w: no parameter learns: model.freeze-teran freezes all that loss-type %q depends on", config.ErrConfig, cfg.Training.LossType)
	}
	model, err := b.Model("aladin training step")
	if err != nil {
		return nil, err
	}
	model.EarlyOutputs()
	if opts.Together {
		if model, err = together(model, source.Params); err != nil {
			return nil, err
		}
	}
	for _, p := range source.Params {
		if err := params.Ensure(p, cfg.Training.Seed); err != nil {
			return nil, err
		}
	}
	if s.session, err = ort.Load(model.Marshal(), &ort.Options{Threads: opts.Threads, Device: opts.Device, Spin: true, Lean: true, ControlFlow: opts.Together}); err != nil {
		return nil, err
	}
	if s.binding, err = s.session.Bind(); err == nil {
		err = s.bindParams(source.Params)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// build makes the graph of the losses, with all parameters as inputs.
func (s *Step) build(net nn.Config, cfg *config.Config, opts Options) (b *onnx.Builder, source *nn.Inputs, total *onnx.Value, err error) {
	b, source = onnx.NewBuilder(), &nn.Inputs{}
	n, err := nn.New(b, net, source)
	if err != nil {
		return nil, nil, nil, err
	}
	n.Training = true
	if opts.Together {
		n.Loose = &nn.Least{Tokens: input.MinTokens, Regions: input.MinRegions}
	}
	n.Recompute = cfg.Training.GradientCheckpointing
	// The regulariser of hidden states averages over padding as well.
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

// Frozen reports whether a parameter stays as it is.
func Frozen(cfg *config.Config, p nn.Param) bool {
	return p.Kind == nn.Fixed || p.Kind == nn.Backbone && cfg.Model.FreezeTeran
}

// forward builds the network's two passes and the losses; the parts come out as one vector "losses",
// the total first.
func (s *Step) forward(b *onnx.Builder, n *nn.Net, cfg *config.Config, opts Options) (*onnx.Value, error) {
	drop, quiet := n.Dropout, cfg.Model.FreezeTeran && !cfg.Model.FrozenDropout
	encoded := func(encode func() nn.States) nn.States {
		if quiet {
			n.Dropout = nil
			defer func() { n.Dropout = drop }()
		}
		return encode()
	}
	var textStates, imageStates nn.States // of the last part
	captions, images := make([]nn.Side, s.split.captions.count()), make([]nn.Side, s.split.images.count())
	for i := range captions {
		prefix, batch := s.split.captions.names(i)
		textStates = encoded(func() nn.States { return n.EncodeText(nn.TextInputs(b, n.Config, prefix+dataset.CaptionPrefix, batch)) })
		captions[i] = n.Text(textStates)
	}
	for i := range images {
		prefix, batch := s.split.images.names(i)
		imageStates = encoded(func() nn.States { return n.EncodeImage(nn.ImageInputs(b, n.Config, prefix, batch)) })
		images[i] = n.Image(imageStates)
	}
	text, image := n.Join(captions, batchDim), n.Join(images, batchDim)

	l := loss.Builder{B: b, Net: n}
	t := &cfg.Training
	if t.Softness > 0 {
		n.Softness = b.Input("softness", onnx.Float, onnx.Of(1))
		n.LeastSoftness = t.LeastSoftness()
	}
	names := cfg.Losses()
	matching, err := l.Scores(t.Measure, image.Matching, text.Matching)
	if err != nil {
		return nil, err
	}
	var align *onnx.Value
	if slices.ContainsFunc(names, func(n string) bool { return n == "alignment" || n == "distillation" || n == config.Imitation }) {
		align = n.Scores(image, text, 0)
	}
	var parts []*onnx.Value
	var total *onnx.Value
	for i, name := range names {
		var v *onnx.Value
		switch name {
		case "alignment":
			v = l.Contrast(align, cmp.Or(t.AlignContrast, t.Contrast), t, "alignment_criterion.logit_scale", t.AlignTemperature)
		case "matching":
			v = l.Contrast(matching, t.Contrast, t, "matching_criterion.logit_scale", t.Temperature)
		case "distillation":
			if !opts.Distil && len(names) > 1 {
				continue
			}
			teacher := align
			if t.DistillTeacherScale != 1 {
				teacher = b.MulS(align, float32(t.DistillTeacherScale))
			}
			if v, err = l.Distillation(t.DistillationMode, teacher, matching, float32(t.DistillTemperature)); err != nil {
				return nil, err
			}
		case config.Imitation:
			v = l.Imitation(b.Input(dataset.ExamplesInput, onnx.Float, matching.Shape), matching, align, float32(t.ImitationScale))
		case "entropy":
			v = l.Entropy(image.Matching, text.Matching)
		case "regularizehidden":
			v = l.HiddenNorm(n.Tight(textStates, true), n.Tight(imageStates, false))
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
		return nil, fmt.Errorf("%w: loss-type %q leaves no loss", config.ErrConfig, t.LossType)
	}
	s.losses = append([]string{"total"}, s.losses...)
	b.Output("losses", b.Concat(0, append([]*onnx.Value{total}, parts...)...))
	return total, n.Err()
}

// declare makes outputs of a parameter's gradient.
func (s *Step) declare(b *onnx.Builder, p nn.Param, g grad.Grad) {
	out := &gradOut{param: p}
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
		v := s.Params.Lookup(p.Name)
		if err := s.binding.Input(p.Name, ort.Float32(p.Dims(), v.Data)); err != nil {
			return err
		}
	}
	for _, o := range s.outputs {
		if o.dense == nil {
			continue
		}
		v := s.Params.Lookup(o.param.Name)
		o.dense = ort.Float32(o.param.Dims(), make([]float32, len(v.Data)))
		if err := s.binding.Output("grad:"+o.param.Name, o.dense); err != nil {
			return err
		}
	}
	return nil
}

// Run computes losses and gradients for a batch, or for several of one size in one run where the step was made for
// that (Options.Together): then they are the means. The result aliases the step's memory until the next Run. rng draws
// the dropout masks.
func (s *Step) Run(ctx context.Context, rng *rand.Rand, batches ...*dataset.Batch) (*Result, error) {
	in, sizes, err := s.inputs(batches)
	if err != nil {
		return nil, err
	}
	if x := batches[0].Softness; x > 0 {
		in["softness"] = ort.Float32([]int64{1}, []float32{x})
	}
	if s.drops != nil {
		if err := s.drops.inputs(in, sizes, len(batches), rng); err != nil {
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
	shape := []int64{int64(len(s.losses))}
	if s.together {
		shape = []int64{int64(len(batches)), shape[0]}
	}
	if s.values == nil || !slices.Equal(s.values.Shape(), shape) {
		s.values = ort.Float32(shape, make([]float32, len(batches)*len(s.losses)))
		if err := s.binding.Output("losses", s.values); err != nil {
			return nil, err
		}
	}
	if err := s.bindRows(in); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := s.binding.Run(ctx); err != nil {
		return nil, err
	}
	res := &Result{Names: s.losses, Losses: make([]float64, len(s.losses)), Runtime: time.Since(start)}
	for i, x := range s.values.Float32() {
		res.Losses[i%len(s.losses)] += float64(x) / float64(len(batches))
	}
	for _, o := range s.outputs {
		res.Grads = append(res.Grads, o.gradient(in, len(batches)))
	}
	return res, nil
}

// inputs are a run's inputs from the batches, and the sizes of their dimensions by name: the largest of each.
func (s *Step) inputs(batches []*dataset.Batch) (in map[string]*ort.Tensor, sizes map[string]int, err error) {
	if s.together {
		if in, err = stackBatches(batches); err != nil {
			return nil, nil, err
		}
		in[scaleInput] = ort.Float32([]int64{1}, []float32{1 / float32(len(batches))})
	} else {
		most := max(s.split.captions.n, s.split.images.n)
		if n := len(batches); n != 1 {
			return nil, nil, fmt.Errorf("%w: %d batches for a step made for one at a time", dataset.ErrData, n)
		}
		if n := batches[0].Captions.B; n < most {
			return nil, nil, fmt.Errorf("%w: a batch of %d for a step made for batches of at least %d pairs", dataset.ErrData, n, most)
		}
		in = s.split.tensors(batches[0])
	}
	sizes = map[string]int{}
	for _, b := range batches {
		for name, size := range s.split.sizes(b) {
			sizes[name] = max(sizes[name], size)
		}
	}
	return in, sizes, nil
}

// bindRows gives the sparse gradients memory of the size of their indices.
func (s *Step) bindRows(in map[string]*ort.Tensor) error {
	for _, o := range s.outputs {
		v := s.Params.Lookup(o.param.Name)
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
	Grads  []optim.Gradient
	// Runtime is the time that ONNX Runtime took.
	Runtime time.Duration
}

// gradient is the parameter's after a run on inputs, of several batches the mean.
func (o *gradOut) gradient(in map[string]*ort.Tensor, batches int) optim.Gradient {
	g := optim.Gradient{Name: o.param.Name, Decays: o.param.Decays(), Width: o.param.Len() / o.param.Shape[0]}
	if o.dense != nil {
		g.Grad = o.dense.Float32()
		return g
	}
	g.Index, g.Grad = o.sparse(in, g.Width)
	if batches > 1 { // dense ones are scaled in the graph
		for i := range g.Grad {
			g.Grad[i] /= float32(batches)
		}
	}
	return g
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
	// Reuse the previous step's memory: the pages of a new allocation would have to be mapped first.
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

// Parameters lists all parameters of a run: those of the two encoders, then those of the losses, of which a step may
// leave some out.
func Parameters(net nn.Config, cfg *config.Config) ([]nn.Param, error) {
	list, err := nn.Parameters(net)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, p := range list {
		known[p.Name] = true
	}
	_, source, _, err := new(Step).build(net, cfg, Options{Distil: true, NoDropout: true})
	if err != nil {
		return nil, err
	}
	for _, p := range source.Params {
		if !known[p.Name] {
			list = append(list, p)
		}
	}
	return list, nil
}
