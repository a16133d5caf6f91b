//go:build !cgo

package ort

import (
	"context"
	"fmt"
)

// errNoCgo is what everything returns in a program built without cgo.
var errNoCgo = fmt.Errorf("%w: this program was built without cgo; build it with CGO_ENABLED=1 and a C compiler such as gcc", ErrUnavailable)

// Session is an opened model. Without cgo there is none.
type Session struct{}

// Binding runs a session over fixed memory. Without cgo there is none.
type Binding struct{}

// Available says whether sessions can be opened: never without cgo.
func Available() bool { return false }

// Open opens the model file at path.
func Open(string, *Options) (*Session, error) { return nil, errNoCgo }

// Load opens a model held in memory.
func Load([]byte, *Options) (*Session, error) { return nil, errNoCgo }

// List looks for devices. Without cgo there are none.
func List() Listing { return Listing{Missing: []string{errNoCgo.Error()}} }

// Inputs describes the inputs that a run must give.
func (*Session) Inputs() []Info { return nil }

// Outputs describes the outputs.
func (*Session) Outputs() []Info { return nil }

// Device is where the session runs.
func (*Session) Device() string { return "" }

// Close frees the session.
func (*Session) Close() error { return nil }

// Run computes the outputs for the inputs.
func (*Session) Run(context.Context, map[string]*Tensor, ...string) (map[string]*Tensor, error) {
	return nil, errNoCgo
}

// Bind makes a binding.
func (*Session) Bind() (*Binding, error) { return nil, errNoCgo }

// Input binds an input.
func (*Binding) Input(string, *Tensor) error { return errNoCgo }

// Output binds an output.
func (*Binding) Output(string, *Tensor) error { return errNoCgo }

// Run runs the session over what is bound.
func (*Binding) Run(context.Context) error { return errNoCgo }

// Close lets go of the bound memory.
func (*Binding) Close() error { return nil }

// A Resident runs a session with inputs that stay on its device. Without cgo there is none.
type Resident struct{}

// Keep copies inputs to the device.
func (*Session) Keep(map[string]*Tensor) (*Resident, error) { return nil, errNoCgo }

// Run runs the session over what is kept.
func (*Resident) Run(context.Context, map[string]*Tensor, map[string]*Tensor) error { return errNoCgo }

// Close frees what is kept.
func (*Resident) Close() error { return nil }
