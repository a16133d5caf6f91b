//go:build cgo

package ort

import (
	"context"
	"fmt"
	"slices"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// A Resident runs a session with inputs that were copied to its device once and stay there, beside those that a run brings.
// It belongs to one goroutine at a time; Close it before its session.
type Resident struct {
	s       *Session
	binding *onnxruntime.IoBinding
	mem     memory // of what is kept, on a CPU
}

// Keep copies inputs to the device. On a CPU their slices are read in place, and must not change.
func (s *Session) Keep(inputs map[string]*Tensor) (*Resident, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return nil, fmt.Errorf("ort: %s: %w", s.model, ErrClosed)
	}
	defer s.device.alone()()
	binding, err := s.s.CreateIoBinding()
	if err != nil {
		return nil, fmt.Errorf("ort: %s: %w", s.model, err)
	}
	r := &Resident{s: s, binding: binding}
	err = r.bind(&r.mem, s.inputs, inputs, binding.BindInput)
	if !s.device.cpu() {
		r.mem.free()
	}
	if err != nil {
		r.mem.free()
		_ = binding.Destroy()
		return nil, fmt.Errorf("ort: %s: %w", s.model, s.device.blame(err))
	}
	return r, nil
}

// Run computes into the slices of outputs, which have the shapes that the run gives. A run that has begun is not cut short.
func (r *Resident) Run(ctx context.Context, inputs, outputs map[string]*Tensor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := r.s
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil || r.binding == nil {
		return fmt.Errorf("ort: %s: %w", s.model, ErrClosed)
	}
	defer s.device.alone()()
	var mem memory
	defer mem.free()
	defer r.binding.ClearBoundOutputs()
	err := r.bind(&mem, s.inputs, inputs, r.binding.BindInput)
	if err == nil {
		err = r.bind(&mem, s.outputs, outputs, r.binding.BindOutput)
	}
	if err == nil {
		err = s.s.RunWithBinding(r.binding)
	}
	if err != nil {
		return fmt.Errorf("ort: %s: %w", s.model, s.device.blame(err))
	}
	return nil
}

func (r *Resident) bind(mem *memory, infos []Info, tensors map[string]*Tensor, bind func(string, onnxruntime.Value) error) error {
	for name, t := range tensors {
		i := slices.IndexFunc(infos, func(i Info) bool { return i.Name == name })
		if i < 0 {
			return fmt.Errorf("%w: nothing to bind named %q; there are %v", ErrInput, name, infos)
		}
		v, err := mem.input(infos[i], t)
		if err == nil {
			err = bind(name, v)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Close frees what is kept. Closing twice is harmless.
func (r *Resident) Close() error {
	if r.binding == nil {
		return nil
	}
	defer r.s.device.alone()()
	err := r.binding.Destroy()
	r.binding = nil
	r.mem.free()
	return err
}
