//go:build cgo && linux

package ort

import (
	"fmt"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Functions of ONNX Runtime's C API that the binding lacks, by their places in its table, which never change.
const (
	apiGetErrorMessage = 2
	apiReleaseStatus   = 93
	apiAssignment      = 407 // Session_GetEpGraphAssignmentInfo
	apiSubgraphEp      = 408 // EpAssignedSubgraph_GetEpName
	apiSubgraphNodes   = 409 // EpAssignedSubgraph_GetNodes
	apiNodeOperator    = 412 // EpAssignedNode_GetOperatorType

	apiVersion = 24 // the first that has all of them
)

// OnCPU counts the session's nodes that the device's provider lacks and the CPU runs, by operator. The session must have been
// opened with Options.Placement. What a provider runs is not counted: ONNX Runtime forgets those of WebGPU.
func (s *Session) OnCPU() (map[string]int, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return nil, fmt.Errorf("ort: %s: %w", s.model, ErrClosed)
	}
	api, err := openAPI()
	if err != nil {
		return nil, fmt.Errorf("ort: %s: %w", s.model, err)
	}
	// The binding keeps the session to itself.
	session := reflect.ValueOf(s.s).Elem().FieldByName("s").Elem().FieldByName("ortSession").Pointer()
	subgraphs, err := api.list(apiAssignment, session)
	if err != nil {
		return nil, fmt.Errorf("ort: %s: %w", s.model, err)
	}
	count := map[string]int{}
	for _, g := range subgraphs {
		name, err := api.text(apiSubgraphEp, g)
		if err != nil {
			return nil, err
		}
		if name != "CPUExecutionProvider" {
			continue
		}
		nodes, err := api.list(apiSubgraphNodes, g)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			op, err := api.text(apiNodeOperator, n)
			if err != nil {
				return nil, err
			}
			count[op]++
		}
	}
	return count, nil
}

// An api is the table of the C API's functions.
type api struct{ table *[apiNodeOperator + 1]uintptr }

func openAPI() (api, error) {
	library, err := openDriver(environment.library) // loaded already: the same one again
	if err != nil {
		return api{}, err
	}
	base, err := purego.Dlsym(library.handle, "OrtGetApiBase")
	if err != nil {
		return api{}, err
	}
	functions, _, _ := purego.SyscallN(base)
	getAPI := *at[uintptr](functions) // its first member
	table, _, _ := purego.SyscallN(getAPI, apiVersion)
	if table == 0 {
		return api{}, fmt.Errorf("%w: %s has no API %d", ErrUnavailable, environment.library, apiVersion)
	}
	return api{at[[apiNodeOperator + 1]uintptr](table)}, nil
}

// at is what lies at an address of C's memory, which Go's does not move.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// status turns what a function returned into an error.
func (a api) status(status uintptr) error {
	if status == 0 {
		return nil
	}
	message, _, _ := purego.SyscallN(a.table[apiGetErrorMessage], status)
	err := fmt.Errorf("ONNX Runtime: %s", cText(message))
	purego.SyscallN(a.table[apiReleaseStatus], status)
	return err
}

// list calls a function that gives an array of pointers of something.
func (a api) list(function int, of uintptr) ([]uintptr, error) {
	out := new(struct{ first, n uintptr })
	status, _, _ := purego.SyscallN(a.table[function], of, reflect.ValueOf(&out.first).Pointer(), reflect.ValueOf(&out.n).Pointer())
	runtime.KeepAlive(out)
	if err := a.status(status); err != nil || out.n == 0 {
		return nil, err
	}
	return unsafe.Slice(at[uintptr](out.first), out.n), nil
}

// text calls a function that gives a string of something.
func (a api) text(function int, of uintptr) (string, error) {
	out := new(uintptr)
	status, _, _ := purego.SyscallN(a.table[function], of, reflect.ValueOf(out).Pointer())
	runtime.KeepAlive(out)
	return cText(*out), a.status(status)
}

func cText(address uintptr) string {
	if address == 0 {
		return ""
	}
	const most = 1 << 16
	p := at[[most]byte](address)
	n := 0
	for n < most && p[n] != 0 {
		n++
	}
	return string(p[:n])
}
