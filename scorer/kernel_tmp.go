//go:build !noasm && (amd64 || arm64)

package scorer

func available() []*kernels { return []*kernels{generic} }
