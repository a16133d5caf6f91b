// Package models reads the picture models of others, CLIP, OpenCLIP and SigLIP, from the folders in which
// they are given away, and makes bundles of them. Nothing in the files is executed.
//
// # Model
//
// [Open] looks at what lies in a folder and says what it is: a [Source] has two towers, what cuts texts into
// tokens, how pictures become pixels, and what was found, used and left aside. Towers are weights, of which
// package towers makes graphs, or graphs that others exported. [Source.Save] writes the bundle; weights go
// from file to file, one tensor in memory at a time.
//
// A Source keeps its files mapped until Close.
package models

import "errors"

var (
	// ErrSource is returned when a folder holds no model that this package knows.
	ErrSource = errors.New("no picture model")
	// ErrConfig is returned when a model's description cannot be read or contradicts itself.
	ErrConfig = errors.New("unusable description of a model")
	// ErrWeights is returned when a model's weights cannot be read.
	ErrWeights = errors.New("unusable weights")
	// ErrUnsupported is returned for models that are known, but not read.
	ErrUnsupported = errors.New("unsupported model")
)
