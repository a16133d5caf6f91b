//go:build !noasm

package scorer

func available() []*kernels { return []*kernels{generic} }
