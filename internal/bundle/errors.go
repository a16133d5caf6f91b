package bundle

import "errors"

var (
	// ErrNotBundle is returned when a folder holds no model.json, or stands where a bundle should go.
	ErrNotBundle = errors.New("no model bundle")
	// ErrVersion is returned when a bundle's format version is outside what this program reads.
	ErrVersion = errors.New("unsupported bundle version")
	// ErrCorrupt is returned when a bundle is damaged: model.json does not parse or contradicts itself,
	// or a file is missing, or has another size or checksum than model.json says.
	ErrCorrupt = errors.New("model bundle is damaged")
	// ErrInvalid is returned when a manifest given to Create breaks the rules that Open checks.
	ErrInvalid = errors.New("invalid model manifest")
	// ErrNoFile is returned when a bundle does not have the file asked for, as a skeleton has no encoders.
	ErrNoFile = errors.New("not in this model bundle")
)
