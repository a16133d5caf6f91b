package eval

import "errors"

var (
	// ErrInput is the class of everything wrong with what is to be evaluated: a caption that belongs to
	// no image, a matrix of the wrong shape, NaN among the scores. Errors of this class name the place.
	ErrInput = errors.New("eval: bad input")
	// ErrMismatch is returned when two results to be compared speak of different images or captions.
	ErrMismatch = errors.New("eval: results of different data")
)
