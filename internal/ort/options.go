package ort

import (
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"
)

// OptLevel is how far ONNX Runtime rewrites a model's graph before it runs.
type OptLevel int

// Levels of graph optimisation. The zero value is OptAll.
const (
	OptDefault OptLevel = iota
	OptNone
	OptBasic
	OptExtended
	OptAll
)

// Options says how a session runs. Nil and zero values mean defaults.
type Options struct {
	// Threads is how many cores one run may use; 0 is all that Go may use (GOMAXPROCS, which heeds the
	// CPU limit of a container).
	Threads int
	// Device is "" or "cpu", "cuda" or "cuda:N", or "auto": CUDA where it works, else the CPU.
	Device string
	// Library is ONNX Runtime's library, a file or a folder that holds it; "" is the one that Library finds.
	// A process loads it once: asking for another later is an error.
	Library string
	// Optimise is the level of graph optimisation.
	Optimise OptLevel
	// Spin lets waiting threads spin: a little faster when runs follow each other without a pause, and
	// much slower for Go code that works between them.
	Spin bool
	// Lean plans no memory ahead. By default the second run over inputs of the same sizes takes one block for all
	// intermediate values, beside the blocks that the first run took one by one: twice the memory, and no faster.
	Lean bool
	// Outputs keeps only these outputs of the model; the others are not copied to Go. Nil keeps all.
	Outputs []string
	// ControlFlow lets a model have graphs within its graph (Loop, If, Scan, SequenceMap) and functions: ErrRefused
	// otherwise. It is for graphs that were made here, and those whose user says so: a Loop ends when it likes.
	ControlFlow bool
	// Config holds further session configuration entries, under ONNX Runtime's own keys.
	Config map[string]string
	// DeviceMemory bounds what the session takes of a GPU's memory, in bytes; 0 does not.
	DeviceMemory int64
	// CUDA holds further options of the CUDA provider, such as gpu_mem_limit. TF32 is off unless use_tf32
	// says "1": faster, and rounded to 10 bits.
	CUDA map[string]string
}

// normal is o with its defaults filled in.
func (o *Options) normal() (Options, device, error) {
	var n Options
	if o != nil {
		n = *o
	}
	if n.Threads < 0 {
		return n, device{}, fmt.Errorf("ort: Threads is %d; it must be 0 (all cores) or more", n.Threads)
	}
	if n.Threads == 0 {
		n.Threads = runtime.GOMAXPROCS(0)
	}
	if n.DeviceMemory < 0 {
		return n, device{}, fmt.Errorf("ort: DeviceMemory is %d; it must be 0 (no bound) or more", n.DeviceMemory)
	}
	if n.Optimise == OptDefault {
		n.Optimise = OptAll
	}
	if n.Optimise < OptDefault || n.Optimise > OptAll {
		return n, device{}, fmt.Errorf("ort: unknown optimisation level %d", n.Optimise)
	}
	d, err := parseDevice(n.Device)
	return n, d, err
}

// cudaSettings are the CUDA provider's.
func (o *Options) cudaSettings(id int) map[string]string {
	// TF32 rounds matrix products to 10 bits: a GPU must make things faster and change nothing else.
	settings := map[string]string{"device_id": strconv.Itoa(id), "use_tf32": "0"}
	if o.DeviceMemory > 0 {
		settings["gpu_mem_limit"] = strconv.FormatInt(o.DeviceMemory, 10)
		settings["arena_extend_strategy"] = "kSameAsRequested" // doubling would meet the bound at half of it
	}
	maps.Copy(settings, o.CUDA)
	return settings
}

// device is a parsed Options.Device.
type device struct {
	cuda bool
	auto bool // a failing CUDA means the CPU
	id   int
}

func (d device) String() string {
	switch {
	case d.cuda:
		return "cuda:" + strconv.Itoa(d.id)
	default:
		return "cpu"
	}
}

func parseDevice(s string) (device, error) {
	switch s {
	case "", "cpu":
		return device{}, nil
	case "auto":
		return device{cuda: true, auto: true}, nil
	case "cuda":
		return device{cuda: true}, nil
	}
	if n, ok := strings.CutPrefix(s, "cuda:"); ok {
		id, err := strconv.ParseUint(n, 10, 8)
		if err == nil {
			return device{cuda: true, id: int(id)}, nil
		}
	}
	return device{}, fmt.Errorf("ort: unknown device %q; use cpu, cuda, cuda:N or auto", s)
}
