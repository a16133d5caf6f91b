//go:build !unix && !windows

package mapped

import (
	"errors"
	"os"
)

func mapSystem(*os.File, int) ([]byte, func() error, error) { return nil, nil, errors.ErrUnsupported }
