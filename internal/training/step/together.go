package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

// Inputs that a step for several batches has besides.
const (
	timesDim   = "N"
	scaleInput = "scale"
)

// together wraps a step's graph into a loop over several batches that sums their gradients, so that parameters and sums
// are transferred to the device and back once. Gradients of embedding rows are returned for each batch.
func together(model *onnx.Model, params []nn.Param) (*onnx.Model, error) {
	shared := map[string]bool{"softness": true}
	dense := map[string]bool{}
	for _, p := range params {
		shared[p.Name] = true
		dense["grad:"+p.Name] = true
	}
	return model.Scan(func(name string) bool { return !shared[name] && name != scaleInput }, func(name string) bool { return dense[name] }, timesDim, scaleInput)
}

// stackBatches are the inputs of several batches along a new first axis, padded to the longest.
func stackBatches(batches []*dataset.Batch) (map[string]*ort.Tensor, error) {
	each := make([]map[string]*ort.Tensor, len(batches))
	for i, b := range batches {
		each[i] = b.Tensors()
	}
	out := map[string]*ort.Tensor{}
	for name, first := range each[0] {
		shape := slices.Clone(first.Shape())
		for _, in := range each[1:] {
			other := in[name].Shape()
			if len(other) != len(shape) || other[0] != shape[0] || !slices.Equal(other[2:], shape[2:]) {
				return nil, fmt.Errorf("train: batches of %v and %v cannot run together (%s)", shape, other, strings.TrimPrefix(name, dataset.CaptionPrefix))
			}
			shape[1] = max(shape[1], other[1])
		}
		stacked := append([]int64{int64(len(batches))}, shape...)
		if first.Type() == ort.TypeInt64 {
			data := stack(each, name, shape, (*ort.Tensor).Int64)
			out[name] = ort.Int64(stacked, data)
		} else {
			out[name] = ort.Float32(stacked, stack(each, name, shape, (*ort.Tensor).Float32))
		}
	}
	return out, nil
}

// stack copies rows of one or more numbers each to where they belong in the padded whole.
func stack[T int64 | float32](each []map[string]*ort.Tensor, name string, shape []int64, values func(*ort.Tensor) []T) []T {
	width := 1
	for _, d := range shape[2:] {
		width *= int(d)
	}
	rows, length := int(shape[0]), int(shape[1])
	out := make([]T, len(each)*rows*length*width)
	for i, in := range each {
		x, have := values(in[name]), int(in[name].Shape()[1])*width
		for row := range rows {
			copy(out[(i*rows+row)*length*width:], x[row*have:(row+1)*have])
		}
	}
	return out
}
