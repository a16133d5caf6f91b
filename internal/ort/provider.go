//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/aladin-go/aladin/internal/ortsetup"
)

// addProvider asks for the execution provider of a device, and resolves the device to the one that it stands for.
func addProvider(so *onnxruntime.SessionOptions, d device, o *Options) (device, error) {
	switch d.kind {
	case CUDA:
		return d, addCUDA(so, d.id, o)
	case WebGPU:
		d, preference, err := pickAdapter(d)
		if err != nil {
			return d, err
		}
		return d, d.wrap(so.AppendExecutionProvider("WebGPU", map[string]string{"powerPreference": preference}))
	case CoreML:
		return d, d.wrap(so.AppendExecutionProviderCoreMLV2(map[string]string{}))
	case DirectML:
		if err := so.SetMemPattern(false); err != nil { // it refuses to run with them
			return d, err
		}
		return d, d.wrap(so.AppendExecutionProviderDirectML(d.id))
	}
	return d, nil
}

// wrap says of an error that a provider gave which device it was.
func (d device) wrap(err error) error {
	if err == nil {
		return nil
	}
	if d.kind == CUDA {
		return cudaError(err)
	}
	text := err.Error()
	if strings.Contains(text, "not supported in this build") || strings.Contains(text, "not enabled in this build") || strings.Contains(text, "Error looking up") {
		return fmt.Errorf("%w %s: this build of ONNX Runtime cannot; unset %s and run `%s` with npm on the PATH, or use device %s",
			ErrDevice, d, ortsetup.EnvLibrary, ortsetup.SetupCommand, CPU)
	}
	line, _, _ := strings.Cut(text, "\n")
	return fmt.Errorf("%w %s: %s; look at `aladin-index devices`, or use device %s", ErrDevice, d, strings.TrimSpace(line), CPU)
}

// blames tells an error of the device from one of the model.
func (d device) blames(err error) bool {
	text := err.Error()
	switch d.kind {
	case CUDA:
		return strings.Contains(text, "CUDA") || strings.Contains(text, "cuda") || strings.Contains(text, "Failed to allocate memory") || missingLibrary.MatchString(text)
	case WebGPU:
		return strings.Contains(text, "WebGPU") || strings.Contains(text, "webgpu")
	}
	return !d.cpu()
}

// blame makes of an error of a run one of the device where it comes from there: it was lost, or its memory is full.
func (d device) blame(err error) error {
	if errors.Is(err, ErrInput) || !d.blames(err) {
		return err
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%w %s: %s", ErrDevice, d, strings.TrimSpace(line))
}

// turn is held by who uses WebGPU: all its sessions share one queue and its buffers, which take no two threads.
var turn sync.Mutex

// alone waits for a device's turn, and returns what ends it.
func (d device) alone() func() {
	if d.kind != WebGPU {
		return func() {}
	}
	turn.Lock()
	return turn.Unlock
}

// cudaSettings are the CUDA provider's.
func (o *Options) cudaSettings(id int) map[string]string {
	// TF32 rounds matrix products to 10 bits: a GPU must make things faster and change nothing else.
	settings := map[string]string{"device_id": strconv.Itoa(id), "use_tf32": "0"}
	if o.DeviceMemory > 0 {
		settings["gpu_mem_limit"] = strconv.FormatInt(o.DeviceMemory, 10)
		settings["arena_extend_strategy"] = "kSameAsRequested" // doubling would meet the bound at half of it
	}
	for k, v := range o.CUDA {
		settings[k] = v
	}
	return settings
}

// addCUDA asks for the CUDA provider on device id.
func addCUDA(so *onnxruntime.SessionOptions, id int, o *Options) error {
	if err := cudaProvider(environment.library); err != nil {
		return fmt.Errorf("%w: %w", ErrDevice, err)
	}
	cuda, err := onnxruntime.NewCUDAProviderOptions()
	if err != nil {
		return cudaError(err)
	}
	defer cuda.Destroy()
	if err := cuda.Update(o.cudaSettings(id)); err != nil {
		return cudaError(err)
	}
	if err := so.AppendExecutionProviderCUDA(cuda); err != nil {
		return cudaError(err)
	}
	return nil
}

// cudaProvider says what is wrong where ONNX Runtime's CUDA provider is not beside its library.
func cudaProvider(library string) error {
	dir := filepath.Dir(library)
	provider := filepath.Join(dir, "libonnxruntime_providers_cuda.so")
	if runtime.GOOS == "windows" {
		provider = filepath.Join(dir, "onnxruntime_providers_cuda.dll")
	}
	if exists(provider) {
		return nil
	}
	return fmt.Errorf("ONNX Runtime's CUDA provider is not beside %s; run `%s` to fetch it (Linux x64), or use another device", library, ortsetup.CUDACommand)
}

var missingLibrary = regexp.MustCompile(`(lib[\w.+-]+\.so[.\d]*): cannot open shared object file`)

// cudaError makes one sentence of what ONNX Runtime says in several lines.
func cudaError(err error) error {
	text := err.Error()
	if m := missingLibrary.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%w: %s is missing; install NVIDIA's CUDA 13 and cuDNN 9 libraries (`%s` brings only ONNX Runtime's part), or use the CPU",
			ErrDevice, m[1], ortsetup.CUDACommand)
	}
	if strings.Contains(text, "CUDA execution provider is not enabled") {
		return fmt.Errorf("%w: this build of ONNX Runtime has no CUDA in it; unset %s and run `%s`, or use the CPU",
			ErrDevice, ortsetup.EnvLibrary, ortsetup.CUDACommand)
	}
	line, _, _ := strings.Cut(text, "\n")
	return fmt.Errorf("%w: no NVIDIA GPU and driver that it can use (%s); check nvidia-smi and `%s`, or use the CPU",
		ErrDevice, strings.TrimSpace(line), ortsetup.CUDACommand)
}
