//go:build noasm || !(amd64 || arm64)

package vector

func available() []*kernels { return []*kernels{generic} }
