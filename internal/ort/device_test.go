//go:build cgo

package ort

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDevice(t *testing.T) {
	for text, want := range map[string]string{
		"": "cpu", "cpu": "cpu", "cuda": "cuda:0", "cuda:3": "cuda:3", "webgpu": "webgpu:0", "webgpu:1": "webgpu:1",
		"coreml": "coreml", "directml:2": "directml:2", "auto": "auto",
	} {
		d, err := parseDevice(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, d.String(), text)
	}
	for _, text := range []string{"gpu", "cuda:", "cuda:-1", "cuda:x", "webgpu:999", "cpu:0", "auto:1", "coreml:0", "CUDA"} {
		_, err := parseDevice(text)
		assert.ErrorContains(t, err, fmt.Sprintf("unknown device %q", text))
	}
}

// here runs fn of TestHelperDevices in a process of its own with other drivers, and returns what it prints: a process
// that has loaded a driver keeps it.
func here(t *testing.T, fn string, env ...string) string {
	t.Helper()
	if !Available() {
		t.Skip("needs ONNX Runtime")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperDevices$", "-test.v")
	cmd.Env = append(os.Environ(), "ORT_TEST_HELPER="+fn)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(line, "answer: "); ok {
			return strings.TrimSuffix(text, "\n")
		}
	}
	t.Fatalf("no answer in %s", out)
	return ""
}

// TestHelperDevices is no test: here runs it.
func TestHelperDevices(t *testing.T) {
	fn := os.Getenv("ORT_TEST_HELPER")
	if fn == "" {
		t.Skip("run by other tests")
	}
	if fn == "list" {
		b, err := json.Marshal(List())
		require.NoError(t, err)
		fmt.Printf("answer: %s\n", b)
		return
	}
	s, err := Load(addModel(), &Options{Device: fn})
	if err != nil {
		fmt.Printf("answer: %v\n", err)
		return
	}
	defer s.Close()
	fmt.Printf("answer: it runs on %s\n", s.Device())
}

// A device that is not there is one sentence which says what to do; auto falls back.
func TestDeviceMissing(t *testing.T) {
	none := "VK_DRIVER_FILES=" + t.TempDir() + "/none.json"
	if mayHaveGPU() {
		t.Skip("this machine has a GPU")
	}
	assert.Equal(t, "it runs on cpu", here(t, "auto", none))
	for device, want := range map[string]string{
		"webgpu": "webgpu", "webgpu:1": "webgpu", "cuda": "scripts/setup@latest -cuda", "coreml": "not support CoreML",
	} {
		got := here(t, device, none)
		assert.Contains(t, got, ErrDevice.Error(), device)
		assert.Contains(t, got, want, device)
	}
	var l Listing
	require.NoError(t, json.Unmarshal([]byte(here(t, "list", none)), &l))
	assert.Equal(t, "cpu", l.Auto)
	assert.Equal(t, "cpu", l.Hardware[0].Device)
	assert.Len(t, l.Hardware, 1)
	assert.NotEmpty(t, l.Missing)
}

// software is the environment in which WebGPU has a software adapter and nothing else.
func software(t *testing.T) string {
	t.Helper()
	icd := os.Getenv("ALADIN_TEST_VULKAN")
	if icd == "" {
		t.Skip("needs ALADIN_TEST_VULKAN, the file of a software Vulkan driver")
	}
	return "VK_DRIVER_FILES=" + icd
}

// A software adapter is listed and works, but only who names it gets it.
func TestSoftwareAdapter(t *testing.T) {
	env := software(t)
	var l Listing
	require.NoError(t, json.Unmarshal([]byte(here(t, "list", env)), &l))
	require.Len(t, l.Hardware, 2)
	assert.Equal(t, "cpu", l.Auto)
	assert.Equal(t, "webgpu:0", l.Hardware[1].Device)
	assert.True(t, l.Hardware[1].Software)
	assert.NotEmpty(t, l.Hardware[1].Name)

	assert.Equal(t, "it runs on webgpu:0", here(t, "webgpu:0", env))
	assert.Equal(t, "it runs on cpu", here(t, "auto", env))
	assert.Contains(t, here(t, "webgpu", env), "name it, webgpu:0")
	assert.Contains(t, here(t, "webgpu:1", env), "there is no webgpu:1; the last one is webgpu:0")
}

// The bound of a GPU's memory reaches the provider; what the caller says goes first.
func TestCUDASettings(t *testing.T) {
	o := &Options{}
	assert.Equal(t, map[string]string{"device_id": "2", "use_tf32": "0"}, o.cudaSettings(2))
	o = &Options{DeviceMemory: 3 << 30, CUDA: map[string]string{"use_tf32": "1"}}
	assert.Equal(t, map[string]string{"device_id": "0", "use_tf32": "1", "gpu_mem_limit": "3221225472", "arena_extend_strategy": "kSameAsRequested"}, o.cudaSettings(0))
	_, _, err := (&Options{DeviceMemory: -1}).normal()
	require.ErrorContains(t, err, "DeviceMemory")
}

func TestCUDAErrors(t *testing.T) {
	for raw, want := range map[string]string{
		"Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory": "libcublasLt.so.13 is missing",
		"CUDA failure 100: no CUDA-capable device is detected ; GPU=-1\nmore":                                                                                 "no NVIDIA GPU and driver that it can use (CUDA failure 100",
		"CUDA execution provider is not enabled in this build.":                                                                                               "has no CUDA in it",
	} {
		err := cudaError(fmt.Errorf("%s", raw))
		require.ErrorIs(t, err, ErrDevice)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "scripts/setup@latest -cuda")
		assert.NotContains(t, err.Error(), "\n")
	}
}
