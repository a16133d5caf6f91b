package index

import (
	"errors"

	"github.com/aladin-go/aladin/format"
)

var (
	// ErrCorrupt is returned when a file breaks a rule of its format, or shrank
	// while it was open. The message names the place.
	ErrCorrupt = format.ErrCorrupt

	// ErrNotIndex is returned when a file is not an index at all.
	ErrNotIndex = format.ErrNotIndex

	// ErrVersion is returned when a file's format version is not one we read.
	ErrVersion = format.ErrVersion

	// ErrLocked is returned when another writer holds the file.
	ErrLocked = format.ErrLocked

	// ErrModelMismatch is returned when an encoding was made by another model than
	// the index. The message names both.
	ErrModelMismatch = errors.New("encoding and index come from different models")

	// ErrDuplicate is returned when an item is added under an id that the index
	// holds already.
	ErrDuplicate = errors.New("id is in the index already")

	// ErrNotFound is returned when an id is not in the index, or was deleted.
	ErrNotFound = errors.New("id is not in the index")

	// ErrInvalid is returned when an item, an encoding or an option breaks a rule;
	// the message says which.
	ErrInvalid = errors.New("invalid")

	// ErrNoTokens is returned when alignment is asked of an index that was built
	// without tokens, or of an encoding that has none.
	ErrNoTokens = errors.New("no tokens to align")

	// ErrUnavailable is returned when the engine that holds an index does not answer, or not for all of it.
	ErrUnavailable = errors.New("the engine is out of reach")

	// ErrClosed is returned when an Index, Builder or Writer is used after Close.
	ErrClosed = errors.New("closed")
)
