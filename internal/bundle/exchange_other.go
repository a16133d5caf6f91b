//go:build !linux

package bundle

import "errors"

// exchange swaps two folders in one step; only Linux can.
func exchange(string, string) error { return errors.ErrUnsupported }
