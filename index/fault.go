package index

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// guard runs f, which reads mapped memory, and turns a fault there into
// ErrCorrupt: reading a mapped page that the file no longer has raises SIGBUS,
// which would end the process. It works for the goroutine that f runs on; each
// goroutine that scans has its own.
func guard(name string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if !isFault(p) {
				panic(p)
			}
			err = fmt.Errorf("%s: reading the mapped file failed, it shrank or its disk did: %v: %w", name, p, ErrCorrupt)
		}
	}()
	return f()
}

// isFault tells memory faults at an address from other panics.
func isFault(p any) bool {
	e, ok := p.(runtime.Error)
	if !ok {
		return false
	}
	_, ok = e.(interface{ Addr() uintptr })
	return ok
}
