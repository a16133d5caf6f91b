//go:build cgo && !linux

package ort

import "runtime"

// Where there is no Vulkan, WebGPU finds its adapter itself: of Metal's none is software, of Direct3D's one may be.
const adaptersKnown = runtime.GOOS == "darwin"

func mayHaveGPU() bool { return true }

func processor() string { return "" }

// cudaDevices is one where ONNX Runtime's provider is installed; whether there is a GPU shows when it is used.
func cudaDevices() ([]Hardware, error) {
	lib, err := Library()
	if err == nil {
		err = cudaProvider(lib)
	}
	if err != nil {
		return nil, err
	}
	return []Hardware{{Device: device{kind: CUDA}.String()}}, nil
}

func adapters() ([]Hardware, error) {
	return []Hardware{{Device: device{kind: WebGPU}.String()}}, nil
}

func preferenceOf(int) string { return "high-performance" }
