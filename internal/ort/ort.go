// Package ort runs ONNX models with ONNX Runtime.
//
// # Model
//
// A [Session] is an opened model. [Session.Run] takes named tensors and returns named tensors; a [Binding]
// repeats a run over fixed memory, which training does with parameters of hundreds of megabytes. A [Tensor]
// is a shape and a Go slice: inputs are read in place, results are the garbage collector's like anything
// else. Nothing here must be freed but sessions and bindings.
//
// # Concurrency
//
// The library is loaded and its environment made once, when the first session opens; all sessions share
// them. A Session may be used from many goroutines at once, and Close waits for the runs under way.
// A Binding belongs to one goroutine at a time.
//
// # Threads
//
// A session's own threads do not spin while they wait, unless Options.Spin says so: spinning threads hold
// the cores that the Go code between two runs needs. Results do not depend on it.
//
// # Without ONNX Runtime
//
// Programs build and start without the library, and without cgo. Then [Available] is false, and opening a
// session returns an error that wraps [ErrUnavailable] and names the command that mends it.
package ort

import (
	"errors"
	"fmt"

	"github.com/aladin-go/aladin/internal/ortsetup"
)

var (
	// ErrUnavailable is returned when ONNX Runtime cannot be used at all: the library is missing or too
	// old, or the program was built without cgo.
	ErrUnavailable = errors.New("ONNX Runtime is not available")
	// ErrModel is returned when a file is no model that this package can run.
	ErrModel = errors.New("unusable ONNX model")
	// ErrRefused is returned when a model might run for ever, or asks for more memory than networks need: see
	// Options.ControlFlow. It comes with ErrModel.
	ErrRefused = errors.New("refused")
	// ErrInput is returned when the tensors of a run do not fit the model; the message names the input.
	ErrInput = errors.New("tensor does not fit the model")
	// ErrClosed is returned when a closed session or binding is used.
	ErrClosed = errors.New("session is closed")
)

// Library is the path of the ONNX Runtime library that sessions use. Its error names the command to run.
func Library() (string, error) { return library("") }

// library is the one that wanted names, a file or a folder, or if that is empty the one of this machine.
func library(wanted string) (path string, err error) {
	if wanted == "" {
		path, err = ortsetup.Find()
	} else {
		path, err = ortsetup.In(wanted)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return path, nil
}
