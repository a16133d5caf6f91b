package ort

import (
	"fmt"
	"runtime"
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
	// Device is where the session runs: "" or CPU, CUDA, WebGPU, "webgpu:1" and so on, or Auto.
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
	// Placement has the session remember which provider runs its nodes, for Session.OnCPU.
	Placement bool
	// Keep, if not nil, keeps the model's graph on disk as it is rewritten for this processor, so that it starts faster
	// the next time. It is for sessions on the CPU.
	Keep *Keep
	// Config holds further session configuration entries, under ONNX Runtime's own keys.
	Config map[string]string
	// DeviceMemory bounds what the session takes of a GPU's memory by CUDA, in bytes; 0 does not. WebGPU has no bound.
	DeviceMemory int64
	// CUDA holds further options of the CUDA provider, such as gpu_mem_limit. TF32 is off unless use_tf32
	// says "1": faster, and rounded to 10 bits.
	CUDA map[string]string

	rewritten string // where the rewritten graph goes; "" nowhere
}

// A Keep says where rewritten graphs are kept, and of which model.
type Keep struct {
	// Folder is of the user's alone; otherwise nothing is kept, because a graph is a program.
	Folder string
	// Key changes when the model does.
	Key string
	// Make, if not nil, makes the graph to open in a folder and returns its file: one with the inputs and outputs of
	// the model's own.
	Make func(dir string) (string, error)
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
