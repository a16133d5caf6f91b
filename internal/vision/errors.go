package vision

import "errors"

var (
	// ErrFormat is returned when bytes are no picture of a kind that Decode reads, or a damaged one.
	ErrFormat = errors.New("vision: not a readable picture")
	// ErrTruncated is returned when a picture ends before all its pixels are there; an empty file is one.
	ErrTruncated = errors.New("vision: picture is cut off")
	// ErrTooLarge is returned when a picture's file, or the pixels its header promises, exceed the Limits.
	ErrTooLarge = errors.New("vision: picture too large")
	// ErrConfig is returned when a Config cannot work; the message names the key at fault.
	ErrConfig = errors.New("vision: invalid region configuration")
	// ErrModel is returned when a model does not have the inputs or outputs that the Config names,
	// or answers with something they do not describe.
	ErrModel = errors.New("vision: model does not fit its configuration")
)
