//go:build cgo

package ort

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	onnxruntime "github.com/yalue/onnxruntime_go"
)

// Binding runs a session over fixed memory: values written to the slices of its inputs are what the next
// Run reads, results appear in the slices of its outputs, and nothing large is copied or allocated. It
// belongs to one goroutine at a time; Close it before its session.
//
// It is built on preallocated values and not on ONNX Runtime's IoBinding, because that copies the inputs
// to a GPU when they are bound, so that later writes to them would be lost, and cannot be cancelled.
type Binding struct {
	s       *Session
	in, out []*place
	closed  bool
}

// place is one bound input or output.
type place struct {
	tensor *Tensor
	mem    memory
	value  onnxruntime.Value
}

// Bind makes a binding with nothing bound yet.
func (s *Session) Bind() (*Binding, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return nil, fmt.Errorf("ort: %s: %w", s.model, ErrClosed)
	}
	b := &Binding{s: s, in: make([]*place, len(s.inputs)), out: make([]*place, len(s.outputs))}
	for i := range b.in {
		b.in[i] = new(place)
	}
	for i := range b.out {
		b.out[i] = new(place)
	}
	// A binding that is forgotten must not leave memory pinned: Go ends the program for that.
	runtime.AddCleanup(b, release, slices.Concat(b.in, b.out))
	return b, nil
}

func release(places []*place) {
	for _, p := range places {
		p.tensor, p.value = nil, nil
		p.mem.free()
	}
}

// Input binds t as the named input, in place of what was bound before.
func (b *Binding) Input(name string, t *Tensor) error { return b.bind(b.s.inputs, b.in, name, t) }

// Output binds t as the named output; its shape must be the one that the run will give.
// An output that is not bound is computed all the same and dropped.
func (b *Binding) Output(name string, t *Tensor) error { return b.bind(b.s.outputs, b.out, name, t) }

func (b *Binding) bind(infos []Info, places []*place, name string, t *Tensor) error {
	if b.closed {
		return fmt.Errorf("ort: %s: binding: %w", b.s.model, ErrClosed)
	}
	i := slices.IndexFunc(infos, func(i Info) bool { return i.Name == name })
	if i < 0 {
		return fmt.Errorf("ort: %s: %w: nothing to bind named %q; there are %v", b.s.model, ErrInput, name, infos)
	}
	p := places[i]
	release([]*place{p})
	v, err := p.mem.input(infos[i], t)
	if err != nil {
		p.mem.free()
		return fmt.Errorf("ort: %s: %w", b.s.model, err)
	}
	p.tensor, p.value = t, v
	return nil
}

// Run runs the session over what is bound. When ctx ends, it stops at the model's next node; the outputs
// then hold part of the results.
func (b *Binding) Run(ctx context.Context) error {
	if b.closed {
		return fmt.Errorf("ort: %s: binding: %w", b.s.model, ErrClosed)
	}
	var dropped memory
	defer dropped.free()
	given := make(map[string]*Tensor, len(b.in))
	in := make([]onnxruntime.Value, len(b.in))
	for i, p := range b.in {
		if p.tensor == nil {
			return fmt.Errorf("ort: %s: %w: input %s is not bound", b.s.model, ErrInput, b.s.inputs[i])
		}
		in[i], given[b.s.inputs[i].Name] = p.value, p.tensor
		if len(p.tensor.shape) == 0 { // a scalar's value is a copy
			v, err := dropped.input(b.s.inputs[i], p.tensor)
			if err != nil {
				return fmt.Errorf("ort: %s: %w", b.s.model, err)
			}
			in[i] = v
		}
	}
	out := make([]onnxruntime.Value, len(b.out))
	for i, p := range b.out {
		if out[i] = p.value; p.value != nil {
			continue
		}
		v, err := dropped.place(b.s.outputs[i], b.s.inputs, given)
		if err != nil {
			return fmt.Errorf("ort: %s: %w", b.s.model, err)
		}
		out[i] = v
	}
	err := b.s.run(ctx, in, out)
	for i, p := range b.out {
		switch {
		case p.value == nil:
			dropped.keep(out[i : i+1])
		case err == nil && len(p.tensor.shape) == 0:
			t, terr := fromValue(p.value)
			if terr != nil {
				return fmt.Errorf("ort: %s: output %s: %w", b.s.model, b.s.outputs[i], terr)
			}
			p.tensor.fill(t)
		}
	}
	return err
}

// Close lets go of the bound memory. Closing twice is harmless.
func (b *Binding) Close() error {
	b.closed = true
	release(slices.Concat(b.in, b.out))
	return nil
}
