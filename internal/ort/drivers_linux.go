//go:build cgo && linux

package ort

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/ebitengine/purego"
)

// Devices are looked up in the drivers' own libraries, which every program with a GPU loads: Vulkan's loader, and libcuda.
// Functions are called by address, so that building needs neither their headers nor their libraries.

// adaptersKnown says that it is known which adapters are software.
const adaptersKnown = true

// mayHaveGPU says whether the kernel knows of a GPU, without loading a driver.
func mayHaveGPU() bool {
	for _, pattern := range []string{"/dev/dri/renderD*", "/dev/nvidia[0-9]*", "/dev/dxg", "/dev/kgsl*", "/dev/mali*"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A driver is its library, loaded and kept: drivers do not like to be unloaded.
type driver struct{ handle uintptr }

func openDriver(name string) (driver, error) {
	handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	return driver{handle}, err
}

// call calls a function of numbers and pointers that returns an int, 0 for success.
func (l driver) call(name string, args ...any) error {
	fn, err := purego.Dlsym(l.handle, name)
	if err != nil {
		return err
	}
	words := make([]uintptr, len(args))
	for i, a := range args {
		if v := reflect.ValueOf(a); v.Kind() == reflect.Pointer {
			words[i] = v.Pointer() // passed as an interface it lives on the heap, and stays where it is
		} else {
			words[i] = uintptr(v.Convert(reflect.TypeFor[uint64]()).Uint())
		}
	}
	r, _, _ := purego.SyscallN(fn, words...)
	runtime.KeepAlive(args)
	if int32(r) != 0 {
		return fmt.Errorf("%s gives %d", name, int32(r))
	}
	return nil
}

func text(b []byte) string {
	before, _, _ := bytes.Cut(b, []byte{0})
	return string(before)
}

// cudaDevices are the NVIDIA GPUs that the driver knows.
var cudaDevices = sync.OnceValues(func() ([]Hardware, error) {
	const missing = "%w: no NVIDIA driver is there for device cuda (%v)"
	cuda, err := openDriver("libcuda.so.1")
	if err != nil {
		return nil, fmt.Errorf(missing, ErrDevice, err)
	}
	if err := cuda.call("cuInit", 0); err != nil {
		return nil, fmt.Errorf(missing, ErrDevice, err)
	}
	var n int32
	if err := cuda.call("cuDeviceGetCount", &n); err != nil {
		return nil, fmt.Errorf(missing, ErrDevice, err)
	}
	var found []Hardware
	for i := range min(n, 64) {
		var name [256]byte
		var memory uint64
		var id int32
		err := cuda.call("cuDeviceGet", &id, i)
		if err == nil {
			err = cuda.call("cuDeviceGetName", &name, len(name), id)
		}
		if err == nil {
			err = cuda.call("cuDeviceTotalMem_v2", &memory, id)
		}
		h := Hardware{Device: device{kind: CUDA, id: int(i)}.String(), Name: text(name[:]), Memory: int64(memory)}
		if err == nil {
			var lib string
			if lib, err = Library(); err == nil {
				err = cudaProvider(lib)
			}
		}
		if err != nil {
			h.Problem = err.Error()
		}
		found = append(found, h)
	}
	return found, nil
})

// Vulkan's structures, as its specification lays them out.
type (
	vkApplicationInfo struct {
		_          uint32  // its kind: 0
		_          uintptr // next
		_          uintptr // the application's name
		_          uint32  // and version
		_          uintptr // the engine's name
		_          uint32  // and version
		apiVersion uint32
	}
	vkInstanceCreateInfo struct {
		kind        uint32
		_           uintptr // next
		_           uint32  // flags
		application *vkApplicationInfo
		_           uint32 // layers
		_           uintptr
		_           uint32 // extensions
		_           uintptr
	}
	vkProperties struct {
		_    [4]uint32 // versions of the API and the driver, vendor, device
		kind uint32
		name [256]byte
		_    [2048]byte // limits, and more than there is
	}
	vkMemory struct {
		_        uint32 // types
		_        [32][2]uint32
		heaps    uint32
		heapList [16]struct {
			size  uint64
			flags uint32
			_     uint32
		}
	}
)

// The types of Vulkan's physical devices.
const (
	vkIntegrated = 1
	vkDiscrete   = 2
	vkCPU        = 4
)

// An adapter is a physical device of Vulkan's.
type adapter struct {
	name   string
	kind   uint32
	memory int64
}

// rank is the place of an adapter's type in the order in which WebGPU prefers them.
func (a adapter) rank() int {
	switch a.kind {
	case vkDiscrete:
		return 0
	case vkIntegrated:
		return 1
	case vkCPU:
		return 2
	}
	return 3
}

var found = sync.OnceValues(func() ([]adapter, error) {
	vulkan, err := openDriver("libvulkan.so.1")
	if err != nil {
		return nil, fmt.Errorf("%w: Vulkan's loader is missing, which device webgpu needs (%v); install it: the package libvulkan1 of Debian and Ubuntu, vulkan-loader of others",
			ErrDevice, err)
	}
	list, err := vulkan.adapters()
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("%w: Vulkan finds no adapter for device webgpu (%v); install your GPU's Vulkan driver and what it needs (NVIDIA's: libegl1 and libgl1), or look into VK_DRIVER_FILES", ErrDevice, or(err, "no driver has one"))
	}
	slices.SortStableFunc(list, func(a, b adapter) int { return a.rank() - b.rank() })
	return list, nil
})

func or(err error, instead string) string {
	if err != nil {
		return err.Error()
	}
	return instead
}

func (l driver) adapters() ([]adapter, error) {
	application := vkApplicationInfo{apiVersion: 1<<22 | 1<<12}
	create := vkInstanceCreateInfo{kind: 1, application: &application}
	var instance uintptr
	if err := l.call("vkCreateInstance", &create, 0, &instance); err != nil {
		return nil, err
	}
	defer func() { _ = l.call("vkDestroyInstance", instance, 0) }()
	var devices [64]uintptr
	n := uint32(len(devices))
	if err := l.call("vkEnumeratePhysicalDevices", instance, &n, &devices); err != nil {
		return nil, err
	}
	var list []adapter
	for _, d := range devices[:n] {
		var p vkProperties
		var m vkMemory
		_ = l.call("vkGetPhysicalDeviceProperties", d, &p) // returns nothing
		_ = l.call("vkGetPhysicalDeviceMemoryProperties", d, &m)
		a := adapter{name: text(p.name[:]), kind: p.kind}
		for _, h := range m.heapList[:min(int(m.heaps), len(m.heapList))] {
			if h.flags&1 != 0 { // the device's own
				a.memory = max(a.memory, int64(h.size))
			}
		}
		list = append(list, a)
	}
	return list, nil
}

// adapters are those of WebGPU, in its order of preference.
func adapters() ([]Hardware, error) {
	list, err := found()
	var out []Hardware
	for i, a := range list {
		h := Hardware{Device: device{kind: WebGPU, id: i}.String(), Name: a.name, Memory: a.memory, Software: a.kind == vkCPU}
		if h.Software {
			h.Memory = 0 // it is the machine's
		}
		if preferenceOf(i) == "" {
			h.Problem = fmt.Sprintf("WebGPU takes the first adapter of a type; to have this one, leave it alone in VK_DRIVER_FILES and ask for %s:0", WebGPU)
		}
		out = append(out, h)
	}
	return out, err
}

// preferenceOf is the power preference by which WebGPU takes adapter i; "" is none.
func preferenceOf(i int) string {
	list, _ := found()
	if i == 0 {
		return "high-performance"
	}
	if first := slices.IndexFunc(list, func(a adapter) bool { return a.kind == vkIntegrated }); i == first {
		return "low-power"
	}
	return ""
}
