package vector

import "errors"

var (
	// ErrShape is returned when lengths do not fit each other: codes and
	// scales against the number of rows, a vector against a dimension.
	ErrShape = errors.New("vector: shapes do not fit")
	// ErrCodec is returned when a codec is unknown or cannot do what is asked,
	// such as tokens as Bits.
	ErrCodec = errors.New("vector: codec does not fit")
	// ErrCorrupt is returned when bytes that were read back cannot be
	// what this package wrote.
	ErrCorrupt = errors.New("vector: corrupt data")
)
