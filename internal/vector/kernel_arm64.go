//go:build !noasm

package vector

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// available returns the sets of kernels that this CPU runs, best last.
func available() []*kernels {
	// Every arm64 Mac has the dot product, and nothing to ask there.
	if cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin" {
		return []*kernels{generic, neon}
	}
	return []*kernels{generic}
}
