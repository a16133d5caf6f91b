package vinvl

import (
	"errors"
	"fmt"
)

var (
	// ErrRow is the class of everything that can be wrong with one row; every [RowError] is one.
	ErrRow = errors.New("vinvl: bad row")
	// ErrMissing is returned when a picture is not in a file that should have it.
	ErrMissing = errors.New("vinvl: no such image")
	// ErrNoRegions is returned for a picture in which nothing was detected: there is nothing to encode.
	ErrNoRegions = errors.New("vinvl: no regions")
	// ErrLineIndex is returned when a .lineidx or imageid2idx.json does not fit its TSV file.
	ErrLineIndex = errors.New("vinvl: line index does not fit")
	// ErrKeys is returned when a list of image keys is unusable.
	ErrKeys = errors.New("vinvl: unusable key list")
	// ErrCaptions is returned when a captions file holds something else than captions.
	ErrCaptions = errors.New("vinvl: unusable captions file")
	// ErrDetection is returned for a detection type that is not known.
	ErrDetection = errors.New("vinvl: unknown detection type")
)

// A RowError says what is wrong with one row, or with one picture's absence.
type RowError struct {
	File string
	Line int    // from 1; 0 where the picture has no line
	ID   string // of the image, as far as known
	Err  error
}

func (e *RowError) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.ID != "" {
		where += ": image " + clip(e.ID)
	}
	return where + ": " + e.Err.Error()
}

func (e *RowError) Unwrap() []error { return []error{ErrRow, e.Err} }

// clip shortens text from a file for a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", s[:most])
}
