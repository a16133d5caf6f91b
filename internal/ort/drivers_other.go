//go:build cgo && !linux

package ort

import "runtime"

// Where there is no Vulkan, WebGPU finds its adapter itself, and only Metal has none that are software.

func mayHaveGPU() bool { return runtime.GOOS == "darwin" }

func processor() string { return "" }

func cudaDevices() ([]Hardware, error) { return nil, nil }

func adapters() ([]Hardware, error) {
	return []Hardware{{Device: device{kind: WebGPU}.String()}}, nil
}

func preferenceOf(int) string { return "high-performance" }
