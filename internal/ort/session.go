//go:build cgo

package ort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// Session is an opened model. It is safe for concurrent use.
type Session struct {
	model           string // for messages
	device          device
	inputs, outputs []Info

	mu sync.RWMutex // held for reading by runs, for writing by Close
	s  *onnxruntime.DynamicAdvancedSession
}

// Open opens the model file at path. Weights in external files lie where the model says, beside it.
func Open(path string, opts *Options) (*Session, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ort: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("ort: %w", err)
	}
	return open(path, f, info.Size(), opts, fromFile(path))
}

// Load opens a model held in memory, which is no longer needed afterwards.
func Load(model []byte, opts *Options) (*Session, error) {
	return open("model in memory", bytes.NewReader(model), int64(len(model)), opts, func(in, out []string, o *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error) {
		return onnxruntime.NewDynamicAdvancedSessionWithONNXData(model, in, out, o)
	})
}

type opener func(in, out []string, o *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error)

func fromFile(path string) opener {
	return func(in, out []string, o *onnxruntime.SessionOptions) (*onnxruntime.DynamicAdvancedSession, error) {
		return onnxruntime.NewDynamicAdvancedSession(path, in, out, o)
	}
}

func open(model string, r io.ReaderAt, size int64, opts *Options, start opener) (*Session, error) {
	o, dev, err := opts.normal()
	if err != nil {
		return nil, err
	}
	if _, err := load(o.Library); err != nil {
		return nil, err
	}
	s := &Session{model: model}
	if err := s.describe(r, size, &o); err != nil {
		return nil, fmt.Errorf("ort: %s: %w", model, err)
	}
	switch {
	case dev.kind == Auto:
		err = s.startBest(&o, start)
	case dev.cpu():
		err = s.startCPU(&o, start)
	default:
		err = s.start(&o, dev, start)
	}
	if err != nil {
		return nil, fmt.Errorf("ort: %s: %w", model, err)
	}
	return s, nil
}

// describe reads the inputs and outputs from the model and keeps those that are wanted.
func (s *Session) describe(r io.ReaderAt, size int64, o *Options) error {
	inputs, outputs, err := scanModel(r, size, o.ControlFlow)
	if err != nil {
		return err
	}
	if wanted := o.Outputs; wanted != nil {
		kept := make([]Info, 0, len(wanted))
		for _, name := range wanted {
			i := slices.IndexFunc(outputs, func(o Info) bool { return o.Name == name })
			if i < 0 {
				return fmt.Errorf("%w: no output %q; it has %v", ErrModel, name, outputs)
			}
			kept = append(kept, outputs[i])
		}
		outputs = kept
	}
	if len(inputs) == 0 || len(outputs) == 0 {
		return fmt.Errorf("%w: %d inputs and %d outputs; at least one of each is needed", ErrModel, len(inputs), len(outputs))
	}
	for _, v := range append(slices.Clone(inputs), outputs...) {
		if v.Type == TypeUnknown {
			return fmt.Errorf("%w: %q is no tensor of a type that can be passed (float16/32/64, int8/32/64, uint8, bool)", ErrModel, v.Name)
		}
	}
	s.inputs, s.outputs = inputs, outputs
	return nil
}

// startBest starts the session on the best device that works.
func (s *Session) startBest(o *Options, start opener) error {
	defer noSoftware()()
	for _, dev := range candidates() {
		if err := s.start(o, dev, start); !errors.Is(err, ErrDevice) {
			return err
		}
	}
	return s.startCPU(o, start)
}

func (s *Session) startCPU(o *Options, start opener) error {
	if o.Keep != nil {
		return s.startKept(o, start)
	}
	return s.start(o, device{}, start)
}

// noSoftware has Vulkan pass over drivers that compute on the CPU, until the returned function is called: WebGPU would
// take one where it cannot use the real adapter.
func noSoftware() func() {
	const name = "VK_LOADER_DRIVERS_DISABLE"
	if _, set := os.LookupEnv(name); set || os.Setenv(name, "*lvp*,*swiftshader*") != nil {
		return func() {}
	}
	return func() { _ = os.Unsetenv(name) }
}

func (s *Session) start(o *Options, dev device, start opener) error {
	so, err := onnxruntime.NewSessionOptions()
	if err != nil {
		return err
	}
	defer so.Destroy()
	if err := configure(so, o); err != nil {
		return err
	}
	defer dev.alone()()
	if dev, err = addProvider(so, dev, o); err != nil {
		return err
	}
	session, err := start(names(s.inputs), names(s.outputs), so)
	switch {
	case err != nil && dev.blames(err):
		return dev.wrap(err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrModel, err)
	}
	s.s, s.device = session, dev
	return nil
}

func configure(so *onnxruntime.SessionOptions, o *Options) error {
	level := map[OptLevel]onnxruntime.GraphOptimizationLevel{
		OptNone:     onnxruntime.GraphOptimizationLevelDisableAll,
		OptBasic:    onnxruntime.GraphOptimizationLevelEnableBasic,
		OptExtended: onnxruntime.GraphOptimizationLevelEnableExtended,
		OptAll:      onnxruntime.GraphOptimizationLevelEnableAll,
	}[o.Optimise]
	entries := map[string]string{}
	if !o.Spin {
		entries["session.intra_op.allow_spinning"] = "0"
	}
	if o.Placement {
		entries["session.record_ep_graph_assignment_info"] = "1"
	}
	for k, v := range o.Config {
		entries[k] = v
	}
	if o.rewritten != "" {
		if err := so.SetOptimizedModelFilePath(o.rewritten); err != nil {
			return err
		}
	}
	if err := errors.Join(so.SetIntraOpNumThreads(o.Threads), so.SetInterOpNumThreads(1), so.SetGraphOptimizationLevel(level), so.SetMemPattern(!o.Lean)); err != nil {
		return err
	}
	for k, v := range entries {
		if err := so.AddSessionConfigEntry(k, v); err != nil {
			return fmt.Errorf("session option %s=%s: %w", k, v, err)
		}
	}
	return nil
}

// Inputs describes the inputs that a run must give; it must not be changed.
func (s *Session) Inputs() []Info { return s.inputs }

// Outputs describes the outputs; it must not be changed.
func (s *Session) Outputs() []Info { return s.outputs }

// Device is where the session runs: "cpu", "cuda:N", "webgpu:N".
func (s *Session) Device() string { return s.device.String() }

// Close waits for the runs under way and frees the session. Closing twice is harmless.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s == nil {
		return nil
	}
	defer s.device.alone()()
	err := s.s.Destroy()
	s.s = nil
	return err
}

// Run computes the outputs for the inputs: the named ones, or all when none is named. The tensors
// returned own their memory. When ctx ends, the run stops at the model's next node and returns ctx's error.
func (s *Session) Run(ctx context.Context, inputs map[string]*Tensor, outputs ...string) (map[string]*Tensor, error) {
	wanted, err := s.choose(outputs)
	if err != nil {
		return nil, err
	}
	var mem memory
	defer mem.free()
	in := make([]onnxruntime.Value, len(s.inputs))
	for i, info := range s.inputs {
		t, ok := inputs[info.Name]
		if !ok {
			return nil, fmt.Errorf("ort: %s: %w: input %s is missing", s.model, ErrInput, info)
		}
		if in[i], err = mem.input(info, t); err != nil {
			return nil, fmt.Errorf("ort: %s: %w", s.model, err)
		}
	}
	if len(inputs) > len(s.inputs) {
		return nil, s.unknownInput(inputs)
	}
	out := make([]onnxruntime.Value, len(s.outputs))
	for i, info := range s.outputs {
		if out[i], err = mem.place(info, s.inputs, inputs); err != nil {
			return nil, fmt.Errorf("ort: %s: %w", s.model, err)
		}
	}
	if err := s.run(ctx, in, out); err != nil {
		mem.keep(out)
		return nil, err
	}
	mem.keep(out)
	result := make(map[string]*Tensor, len(wanted))
	for _, i := range wanted {
		if result[s.outputs[i].Name], err = fromValue(out[i]); err != nil {
			return nil, fmt.Errorf("ort: %s: output %s: %w", s.model, s.outputs[i], err)
		}
	}
	return result, nil
}

// choose resolves the names of outputs.
func (s *Session) choose(outputs []string) ([]int, error) {
	var wanted []int
	for _, name := range outputs {
		i := slices.IndexFunc(s.outputs, func(o Info) bool { return o.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("ort: %s: no output %q; it has %v", s.model, name, s.outputs)
		}
		wanted = append(wanted, i)
	}
	if outputs == nil {
		for i := range s.outputs {
			wanted = append(wanted, i)
		}
	}
	return wanted, nil
}

func (s *Session) unknownInput(inputs map[string]*Tensor) error {
	var unknown []string
	for name := range inputs {
		if !slices.ContainsFunc(s.inputs, func(i Info) bool { return i.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return fmt.Errorf("ort: %s: %w: no input %q; it has %v", s.model, ErrInput, unknown, s.inputs)
}

// run runs the session with cancellation.
func (s *Session) run(ctx context.Context, in, out []onnxruntime.Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return fmt.Errorf("ort: %s: %w", s.model, ErrClosed)
	}
	var ro *onnxruntime.RunOptions
	if ctx.Done() != nil {
		var err error
		if ro, err = onnxruntime.NewRunOptions(); err != nil {
			return err
		}
		ended := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(ended)
			_ = ro.Terminate()
		})
		defer func() {
			if !stop() {
				<-ended // Terminate must not meet freed options
			}
			_ = ro.Destroy()
		}()
	}
	defer s.device.alone()()
	err := s.s.RunWithOptions(in, out, ro)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("ort: %s: %w", s.model, ctx.Err())
	case err != nil:
		return fmt.Errorf("ort: %s: %w", s.model, s.device.blame(err))
	}
	return nil
}

func names(infos []Info) []string {
	list := make([]string, len(infos))
	for i, info := range infos {
		list[i] = info.Name
	}
	return list
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
