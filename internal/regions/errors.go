package regions

import "errors"

var (
	// ErrConfig is returned when a Config cannot work; the message names the key at fault.
	ErrConfig = errors.New("regions: invalid region configuration")
	// ErrModel is returned when a model does not have the inputs or outputs that the Config names,
	// or answers with something they do not describe.
	ErrModel = errors.New("regions: model does not fit its configuration")
)
