// Package torch reads and writes the files of torch.save without Python.
//
// Open reads both containers, the zip of PyTorch 1.6 and later and the older run of pickles. Nothing in
// a file is executed: a pickle is a program, and this package runs only its stack machine. The few
// calls that make data (OrderedDict, tensors, NumPy scalars and arrays) are recognised by name; every
// other class stays an inert *Object that remembers what it was to be made of.
//
// # Values
//
// File.Value is a tree of
//
//	nil, bool, int64, *big.Int, float64, string, []byte
//	[]any, Tuple, *Dict (ordered, keys of any hashable kind)
//	*Tensor, *Object, Class
//
// The tree is read-only: where the file shares a list or dict, so does the tree. It has no cycles, its
// depth is bounded, and so is the number of values met on a walk that follows every reference.
//
// # Memory
//
// The file is mapped. A tensor's bytes are touched when its values are asked for, and returned without a
// copy where type and alignment allow: such slices are read-only and end with File.Close. Untrusted
// files are safe to open: all lengths are checked against the bytes that are there, and memory stays
// proportional to the size of the pickle.
//
// A File and its values are safe for concurrent reading.
//
// # Why its own pickle machine
//
// gopickle's PyTorch reader was looked at and left: it makes every storage in full before the first
// value is asked for, trusts the lengths it reads, has no bound on nesting, and panics on tar
// containers and on storage views.
package torch

import "errors"

var (
	// ErrFormat is returned when a file is not of torch.save or is damaged.
	ErrFormat = errors.New("torch: malformed file")
	// ErrUnsupported is returned when a file is sound but holds what this package does not read.
	ErrUnsupported = errors.New("torch: unsupported")
	// ErrLimit is returned when a file asks for more memory, depth or repetition than honest files do.
	ErrLimit = errors.New("torch: limit exceeded")
	// ErrNotFound is returned when a value that was asked for by name is not in the file.
	ErrNotFound = errors.New("torch: not found")
)
