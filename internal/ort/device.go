package ort

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Names of what sessions run on, as Options.Device takes them.
const (
	CPU      = "cpu"
	CUDA     = "cuda"     // NVIDIA's GPUs
	WebGPU   = "webgpu"   // GPUs of any maker, by Vulkan, Direct3D 12 or Metal
	CoreML   = "coreml"   // Apple's; never tried
	DirectML = "directml" // Windows'; never tried
	Auto     = "auto"     // the best that works: CUDA, WebGPU on a real adapter, the CPU
)

// Devices is how a message or a flag lists them.
const Devices = "cpu, cuda[:N], webgpu[:N] or auto"

// ErrDevice is returned when a session is to run on a GPU and cannot.
var ErrDevice = errors.New("cannot use the device")

// A device is a parsed Options.Device.
type device struct {
	kind string // a name; "" is the CPU
	id   int
	any  bool // no number was given
}

func (d device) String() string {
	switch d.kind {
	case "", CPU:
		return CPU
	case CUDA, WebGPU, DirectML:
		return d.kind + ":" + strconv.Itoa(d.id)
	}
	return d.kind
}

func (d device) cpu() bool { return d.kind == "" || d.kind == CPU }

func parseDevice(s string) (device, error) {
	kind, number, numbered := strings.Cut(s, ":")
	d := device{kind: kind, any: !numbered}
	switch kind {
	case "", CPU, CoreML, Auto:
		if !numbered {
			return d, nil
		}
	case CUDA, WebGPU, DirectML:
		if !numbered {
			return d, nil
		}
		if id, err := strconv.ParseUint(number, 10, 8); err == nil {
			d.id = int(id)
			return d, nil
		}
	}
	return device{}, fmt.Errorf("ort: unknown device %q; use %s", s, Devices)
}

// Hardware is something that models can run on.
type Hardware struct {
	Device   string `json:"device"`           // as Options.Device takes it
	Name     string `json:"name,omitempty"`   // "NVIDIA H200"
	Memory   int64  `json:"memory,omitempty"` // bytes of its own; 0 where it has none, or none is known
	Software bool   `json:"software"`         // a driver that computes on the CPU: never chosen by itself
	Problem  string `json:"problem,omitempty"`
}

// A Listing is what there is to run models on.
type Listing struct {
	Hardware []Hardware `json:"devices"`
	Missing  []string   `json:"missing,omitempty"` // a sentence for each kind of which nothing is there
	Auto     string     `json:"auto"`              // what Auto comes to
}
