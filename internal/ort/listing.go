//go:build cgo

package ort

import (
	"fmt"
	"strings"
)

// List looks for devices. It loads the machine's drivers, and no ONNX Runtime; whether one works shows when a session is
// opened on it.
func List() Listing {
	l := Listing{Hardware: []Hardware{{Device: CPU, Name: processor()}}}
	for _, find := range []func() ([]Hardware, error){cudaDevices, adapters} {
		found, err := find()
		l.Hardware = append(l.Hardware, found...)
		if err != nil {
			l.Missing = append(l.Missing, strings.TrimPrefix(err.Error(), ErrDevice.Error()+": "))
		}
	}
	l.Auto = CPU
	if found := candidates(); len(found) > 0 {
		l.Auto = found[0].String()
	}
	return l
}

// candidates are the devices that Auto tries before the CPU, best first. On a machine without a GPU no driver is loaded:
// a driver may be broken, and takes the program down with it.
func candidates() []device {
	if !mayHaveGPU() {
		return nil
	}
	var list []device
	if found, err := cudaDevices(); err == nil && len(found) > 0 && found[0].Problem == "" {
		list = append(list, device{kind: CUDA})
	}
	if !adaptersKnown {
		return list
	}
	found, err := adapters()
	for _, a := range found {
		if d, perr := parseDevice(a.Device); err == nil && perr == nil && !a.Software && a.Problem == "" {
			return append(list, d)
		}
	}
	return list
}

// pickAdapter resolves a WebGPU device to the one that is there, and says by which of WebGPU's preferences it is taken.
func pickAdapter(d device) (device, string, error) {
	found, err := adapters()
	if err != nil {
		return d, "", err
	}
	if d.any {
		for i, a := range found {
			if !a.Software {
				return pickAdapter(device{kind: WebGPU, id: i})
			}
		}
		return d, "", fmt.Errorf("%w: the only WebGPU adapter is %s, a driver that computes on the CPU and is slower than device %s; name it, %s, if you want it all the same",
			ErrDevice, found[0].Name, CPU, found[0].Device)
	}
	if d.id >= len(found) {
		return d, "", fmt.Errorf("%w: there is no %s; the last one is %s", ErrDevice, d, found[len(found)-1].Device)
	}
	if found[d.id].Problem != "" {
		return d, "", fmt.Errorf("%w: %s: %s", ErrDevice, d, found[d.id].Problem)
	}
	return d, preferenceOf(d.id), nil
}
