package aladin

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/ort"
)

// Options say how a model runs. Nil and zero values are the defaults.
type Options struct {
	// Device is where the model runs: "cpu" (the default), "cuda" for an NVIDIA GPU, "webgpu" for one of any maker
	// (through Vulkan, Direct3D 12 or Metal), each also with the GPU's number, "cuda:1", or "auto" for the best
	// that works, CUDA before WebGPU before the CPU. A driver that computes on the CPU is used only if it is named,
	// "webgpu:0". `aladin-index devices` lists what is there. "coreml" and "directml" exist and have never been tried.
	Device string
	// DeviceMemory bounds the bytes of a GPU's memory that each of the model's networks takes with CUDA: the text and
	// the image encoder, alignment, and those of the extractor. 0 leaves it to ONNX Runtime, which takes
	// what a run needs and keeps it. A run that needs more than the bound fails. WebGPU knows no bound.
	DeviceMemory int64
	// AlignOnDevice has searches align their candidates on the GPU too, where an index keeps its tokens as int8 codes: those of
	// the segments that are searched are brought there once and stay, 1 GiB at most, or DeviceMemory. Hits are the same. The
	// CPU's kernels, which do it otherwise, were faster wherever that was measured (docs/performance.md). AlignScores, for
	// many captions at a time, uses the GPU in any case.
	AlignOnDevice bool
	// Batch is how many texts, or pictures, of concurrent calls are encoded together: calls that come while
	// others are being encoded wait for those and then go as one. 0 is 32 texts or 16 pictures on a GPU, and
	// 1 on a CPU, where calls run beside each other and nobody waits; with Int8Text and few cores, 8 is worth
	// a try (docs/performance.md). A single call's inputs are batched in any case.
	Batch int
	// ONNXRuntime is the path of ONNX Runtime's library, or of its folder; "" is the one that is found (see
	// the package's documentation). A program can load one only: models that name others cannot encode.
	ONNXRuntime string
	// Threads is how many cores one call may use; 0 is all that Go may use.
	Threads int
	// Int8Text encodes texts with products of bytes in place of floats: on a CPU two to four times as fast
	// with a network of BERT's size, a little with a small one, and a good half of the memory. Rankings
	// change hardly (docs/performance.md has figures), and encodings still fit those made without it. On a
	// GPU it changes nothing.
	Int8Text bool
	// KeepGraphs keeps encoders in the user's cache folder as ONNX Runtime rewrites them for this processor, so that
	// programs that start anew for each search start faster. It takes up to 2 GiB there, for encoders of up to 512 MiB.
	KeepGraphs bool
	// Reproducible makes encodings the same, to the last bit, whatever else is encoded with them, on a CPU and with
	// equal Threads: what is left for the end is run as a whole batch. A file that many machines made is then the
	// one that a single machine would have made.
	Reproducible bool
	// CacheTexts is how many encodings of texts are remembered, because people repeat queries; 0 is 256,
	// negative none.
	CacheTexts int
	// MaxPixels bounds the pictures that are decoded; 0 is 268 million, so that phones with 200
	// megapixels fit. Memory for a picture is bounded whatever its size: see docs/troubleshooting.md.
	MaxPixels int64
	// Damaged, if not nil, is told of photos that were encoded although a part of them is missing or damaged,
	// and what it is; perhaps on several goroutines at a time.
	Damaged func(input, what string)
	// Images is the folder of the photos, for [Open]: hits then name their files.
	Images string
}

const cacheTexts = 256

// normal fills in the defaults.
func (o *Options) normal() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Threads < 0 {
		return out, fmt.Errorf("aladin: %d threads", out.Threads)
	}
	if out.DeviceMemory < 0 || out.Batch < 0 {
		return out, fmt.Errorf("aladin: %d bytes of a device's memory, batches of %d", out.DeviceMemory, out.Batch)
	}
	if out.MaxPixels < 0 {
		return out, fmt.Errorf("aladin: at most %d pixels", out.MaxPixels)
	}
	if out.CacheTexts == 0 {
		out.CacheTexts = cacheTexts
	}
	return out, nil
}

// runtime says how the model's networks run.
func (o *Options) runtime() *ort.Options {
	return &ort.Options{Threads: o.Threads, Device: o.Device, DeviceMemory: o.DeviceMemory, Library: o.ONNXRuntime}
}

// onGPU says whether a GPU may be used.
func (o *Options) onGPU() bool { return o.Device != "" && o.Device != "cpu" }
