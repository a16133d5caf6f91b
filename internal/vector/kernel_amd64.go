//go:build !noasm

package vector

import "golang.org/x/sys/cpu"

// available returns the sets of kernels that this CPU runs, best last.
func available() []*kernels {
	all := []*kernels{generic}
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasF16C || !x.HasPOPCNT {
		return all
	}
	all = append(all, avx2)
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI && x.HasBMI2 {
		best := *avx512
		if !x.HasAVX512VPOPCNTDQ || !x.HasAVX512BITALG { // Cascade Lake
			best.asm.hamming, best.asm.planes = avx2.asm.hamming, avx2.asm.planes
		}
		all = append(all, &best)
	}
	return all
}
