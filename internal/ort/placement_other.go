//go:build !cgo || !linux

package ort

import "errors"

// OnCPU counts the nodes that the device's provider lacks. It is known on Linux only.
func (*Session) OnCPU() (map[string]int, error) {
	return nil, errors.New("ort: where nodes run is known on Linux only")
}
