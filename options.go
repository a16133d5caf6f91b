package aladin

import (
	"fmt"
	"time"
)

// Options say how a model runs. Nil and zero values are the defaults.
type Options struct {
	// Device is "cpu" (the default), "cuda", "cuda:N" for the N-th GPU, or "auto" for a GPU where one works.
	Device string
	// Threads is how many cores one call may use; 0 is all that Go may use.
	Threads int
	// Int8Text encodes texts with products of bytes in place of floats: on a CPU two to four times as fast
	// with a network of BERT's size, a little with a small one, and a good half of the memory. Rankings
	// change hardly (docs/performance.md has figures), and encodings still fit those made without it. On a
	// GPU it changes nothing.
	Int8Text bool
	// CacheTexts is how many encodings of texts are remembered, because people repeat queries; 0 is 256,
	// negative none.
	CacheTexts int
	// MaxPixels bounds the pictures that are decoded; 0 is 100 million.
	MaxPixels int64
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
	if out.MaxPixels < 0 {
		return out, fmt.Errorf("aladin: at most %d pixels", out.MaxPixels)
	}
	if out.CacheTexts == 0 {
		out.CacheTexts = cacheTexts
	}
	return out, nil
}

// onGPU says whether a GPU may be used.
func (o *Options) onGPU() bool { return o.Device != "" && o.Device != "cpu" }

// A Stage is a part of a search that takes time: "match", "align" or "explain".
type Stage string

// Stages of a search.
const (
	StageMatch   Stage = "match"
	StageAlign   Stage = "align"
	StageExplain Stage = "explain"
)

// stopwatch tells how long stages took.
type stopwatch struct {
	tell func(Stage, time.Duration)
	last time.Time
}

func startWatch(tell func(Stage, time.Duration)) *stopwatch { return &stopwatch{tell, time.Now()} }

func (w *stopwatch) lap(s Stage) {
	now := time.Now()
	if w.tell != nil {
		w.tell(s, now.Sub(w.last))
	}
	w.last = now
}
