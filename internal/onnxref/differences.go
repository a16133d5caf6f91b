package onnxref

import (
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/onnx"
)

// Differences is the derivative of a value of one element with respect to elements of a float input, by
// central differences of step h. Values that no gradient passes (StopGradient) are held where they are.
func Differences(b *onnx.Builder, inputs map[string]*Tensor, loss *onnx.Value, name string, elements []int, h float64) ([]float64, error) {
	held, err := stopped(b, inputs, loss)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(elements))
	for i, k := range elements {
		direction := make([]float64, len(inputs[name].F))
		direction[k] = 1
		if out[i], err = along(b, inputs, held, loss, map[string][]float64{name: direction}, h); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Along is the derivative of a value of one element along a direction in the space of float inputs, as
// Differences finds it.
func Along(b *onnx.Builder, inputs map[string]*Tensor, loss *onnx.Value, direction map[string][]float64, h float64) (float64, error) {
	held, err := stopped(b, inputs, loss)
	if err != nil {
		return 0, err
	}
	return along(b, inputs, held, loss, direction, h)
}

func along(b *onnx.Builder, inputs map[string]*Tensor, held map[*onnx.Value]*Tensor, loss *onnx.Value, direction map[string][]float64, h float64) (float64, error) {
	at := func(h float64) (float64, error) {
		moved := make(map[string]*Tensor, len(inputs))
		for name, t := range inputs {
			moved[name] = t
		}
		for name, d := range direction {
			t := &Tensor{Shape: inputs[name].Shape, F: slices.Clone(inputs[name].F)}
			for i := range t.F {
				t.F[i] += h * d[i]
			}
			moved[name] = t
		}
		out, err := eval(b, moved, held, []*onnx.Value{loss})
		if err != nil {
			return 0, err
		}
		if len(out[0].F) != 1 {
			return 0, fmt.Errorf("%w: %s has %d elements", ErrValue, loss.Name, len(out[0].F))
		}
		return out[0].F[0], nil
	}
	up, err := at(h)
	if err != nil {
		return 0, err
	}
	down, err := at(-h)
	return (up - down) / (2 * h), err
}

// stopped are the values behind an Identity that the loss depends on.
func stopped(b *onnx.Builder, inputs map[string]*Tensor, loss *onnx.Value) (map[*onnx.Value]*Tensor, error) {
	live := map[*onnx.Value]bool{loss: true}
	var want []*onnx.Value
	ops := b.Ops()
	for i := len(ops) - 1; i >= 0; i-- {
		op := ops[i]
		if !slices.ContainsFunc(op.Out, func(v *onnx.Value) bool { return live[v] }) {
			continue
		}
		for _, v := range op.In {
			live[v] = true
		}
		if op.Kind == "Identity" {
			want = append(want, op.Out[0])
		}
	}
	values, err := Eval(b, inputs, want...)
	held := map[*onnx.Value]*Tensor{}
	for i := range values {
		held[want[i]] = values[i]
	}
	return held, err
}
