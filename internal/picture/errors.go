package picture

import (
	"errors"
	"fmt"
)

var (
	// ErrFormat is returned when bytes are no picture of a kind that Open reads, or a damaged one.
	ErrFormat = errors.New("picture: not a readable picture")
	// ErrTruncated is returned when a picture ends before its pixels do; an empty file is one.
	ErrTruncated = errors.New("picture: cut off")
	// ErrTooLarge is returned when a picture's file, its pixels or the work of decoding them exceed the
	// bounds.
	ErrTooLarge = errors.New("picture: too large")
)

// fault is one of the sentinels with its particulars. It is a type so that the name of the file can be put
// between the two.
type fault struct {
	class error
	what  string
}

func (e *fault) Error() string { return e.class.Error() + ": " + e.what }
func (e *fault) Unwrap() error { return e.class }

func fail(class error, format string, args ...any) error {
	return &fault{class, fmt.Sprintf(format, args...)}
}

// named adds the file's name to an error.
func named(name string, err error) error {
	if err == nil || name == "" {
		return err
	}
	var f *fault
	if errors.As(err, &f) {
		return fmt.Errorf("%w: %s: %s", f.class, name, f.what)
	}
	return fmt.Errorf("picture: %s: %w", name, err)
}

// missingRows notes a picture of which only the first rows are there.
func missingRows(rows, h int) string {
	return fmt.Sprintf("the lower %.1f %% are missing", 100*float64(h-rows)/float64(h))
}

// Unusable says whether an error concerns one picture only, so that the others can go on.
func Unusable(err error) bool {
	return errors.Is(err, ErrFormat) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrTooLarge)
}
