//go:build !cgo || !linux

package ort

import "errors"

// Placement says which provider runs the session's nodes. It is known on Linux only.
func (*Session) Placement() (map[string]map[string]int, error) {
	return nil, errors.New("ort: where nodes run is known on Linux only")
}
