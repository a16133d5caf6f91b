//go:build !noasm

package scorer

import "golang.org/x/sys/cpu"

// gen truncates what it writes, so it writes to another place first.
//go:generate sh internal/gen/gen.sh avx2
//go:generate sh internal/gen/gen.sh avx512

// available returns the sets of kernels that this CPU runs, best last.
func available() []*kernels {
	all := []*kernels{generic}
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasF16C || !x.HasPOPCNT {
		return all
	}
	all = append(all, avx2)
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI && x.HasAVX512VPOPCNTDQ && x.HasBMI2 {
		all = append(all, avx512)
	}
	return all
}
