package onnxref

import (
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/onnx"
)

// Differences is the derivative of a value of one element with respect to elements of a float input, by
// central differences of step h.
func Differences(b *onnx.Builder, inputs map[string]*Tensor, loss *onnx.Value, name string, elements []int, h float64) ([]float64, error) {
	out := make([]float64, len(elements))
	for i, k := range elements {
		direction := make([]float64, len(inputs[name].F))
		direction[k] = 1
		var err error
		if out[i], err = Along(b, inputs, loss, map[string][]float64{name: direction}, h); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Along is the derivative of a value of one element along a direction in the space of float inputs, by
// central differences of step h.
func Along(b *onnx.Builder, inputs map[string]*Tensor, loss *onnx.Value, direction map[string][]float64, h float64) (float64, error) {
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
		out, err := Eval(b, moved, loss)
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
