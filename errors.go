package aladin

import (
	"errors"
	"fmt"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
)

var (
	// ErrModelMismatch is returned when encodings, or an encoding and an index, come from different models.
	// The message names both.
	ErrModelMismatch = index.ErrModelMismatch
	// ErrNotModel is returned when a folder is no model.
	ErrNotModel = bundle.ErrNotBundle
	// ErrCorrupt is returned when a model is damaged: a file is missing or is not the one it was made with.
	ErrCorrupt = bundle.ErrCorrupt
	// ErrUnavailable is returned when encoding is asked for and ONNX Runtime is not there. The message says
	// how to get it.
	ErrUnavailable = ort.ErrUnavailable
	// ErrDevice is returned when a model is asked to run on a GPU that cannot be used.
	ErrDevice = ort.ErrDevice
	// ErrNoPixels is returned when a picture is given to a model that reads regions only.
	ErrNoPixels = errors.New("this model reads precomputed regions, not pictures")
	// ErrNoEncoder is returned by a model that is not trained yet: it has only a source of regions.
	ErrNoEncoder = errors.New("this model has no encoder yet; train it with aladin-train run")
	// ErrInput is returned when an input cannot be encoded: an empty text, an unreadable picture, regions
	// of the wrong size.
	ErrInput = errors.New("cannot encode")
	// ErrNoTokens is returned when alignment is asked of an encoding without words or regions.
	ErrNoTokens = index.ErrNoTokens
	// ErrNoWords is returned when a text, or a query, has no word that the model reads.
	ErrNoWords = errors.New("there are no words in it")
	// ErrClosed is returned when a Model, a Collection or an index is used after Close.
	ErrClosed = index.ErrClosed
)

// An InputError says which of several inputs could not be encoded, and why.
type InputError struct {
	Index int    // among the inputs
	Input string // the file's name, or the beginning of the text
	Err   error
}

// Error implements error.
func (e *InputError) Error() string { return ErrInput.Error() + " " + e.Input + ": " + e.Err.Error() }

// Unwrap gives ErrInput and the reason.
func (e *InputError) Unwrap() []error { return []error{ErrInput, e.Err} }

var (
	errNoRegions   = errors.New("there are no regions")
	errReadsPixels = errors.New("this model reads pictures, not regions")
	errNoModel     = errors.New("there is no model to encode it")
)

// dimError says that regions are not what the model was trained with.
type dimError struct{ got, want int }

func (e *dimError) Error() string {
	return fmt.Sprintf("regions of %d features; the model reads %d", e.got, e.want)
}

func mismatch(a, b string) error { return fmt.Errorf("%w: %s and %s", ErrModelMismatch, a, b) }
