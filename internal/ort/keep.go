//go:build cgo

package ort

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	onnxruntime "github.com/yalue/onnxruntime_go"
	"golang.org/x/sys/cpu"
)

// What is kept of a model are two files in a folder of their own: the graph, and its large weights, which are mapped
// when the graph is opened. A record beside them says what they were like when they were written; what is not like
// that any more is made again.
const (
	keptGraph, keptWeights, keptRecord = "graph.onnx", "graph.onnx.data", "record"

	// keptInline is from how many bytes weights are mapped. ONNX Runtime aligns them from this size on, and kernels
	// fault on others.
	keptInline = "1048576"

	// keepVersion changes when the meaning of what is kept does.
	keepVersion = 1
	// keepBytes bounds all that is kept. What was not used for longest goes first.
	keepBytes = 2 << 30
	// keepStale is how old a folder of an attempt that did not end must be to be cleared away.
	keepStale = time.Hour
)

// dir is where the graph lies that this library makes for this processor, with these options.
func (k *Keep) dir(o *Options) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s %s %s %+v %+v %d %v", keepVersion, k.Key, onnxruntime.GetVersion(), runtime.GOARCH, cpu.X86, cpu.ARM64, o.Optimise, o.Config)
	return filepath.Join(k.Folder, fmt.Sprintf("%x", h.Sum(nil)[:16]))
}

// startKept starts the session from the graph that is kept, or keeps what it starts.
func (s *Session) startKept(o *Options, start opener) error {
	k := o.Keep
	if !private(k.Folder) {
		return s.startMade(o, start, k.Folder)
	}
	dir := k.dir(o)
	if recorded(dir) {
		kept := *o
		kept.Optimise = OptNone
		if s.start(&kept, device{}, fromFile(filepath.Join(dir, keptGraph))) == nil {
			_ = os.Chtimes(dir, time.Time{}, time.Now())
			return nil
		}
	}
	_ = os.RemoveAll(dir)
	tmp, err := os.MkdirTemp(k.Folder, ".new-")
	if err != nil {
		return s.startMade(o, start, "")
	}
	defer os.RemoveAll(tmp)
	saving := *o
	saving.Config = maps.Clone(o.Config)
	if saving.Config == nil {
		saving.Config = map[string]string{}
	}
	saving.Config["session.optimized_model_external_initializers_file_name"] = keptWeights
	saving.Config["session.optimized_model_external_initializers_min_size_in_bytes"] = keptInline
	saving.rewritten = filepath.Join(tmp, keptGraph)
	if s.startMade(&saving, start, tmp) != nil {
		return s.startMade(o, start, "") // with an error of its own, if it is the model's
	}
	if record(tmp) == nil && os.Rename(tmp, dir) == nil { // another process may have been first
		k.prune(dir)
	}
	return nil
}

// startMade starts the session from the graph that Make makes in a folder, "" for a temporary one, or from start.
func (s *Session) startMade(o *Options, start opener, dir string) (err error) {
	if o.Keep.Make == nil {
		return s.start(o, device{}, start)
	}
	made, err := os.MkdirTemp(dir, ".made-")
	if err != nil {
		if made, err = os.MkdirTemp("", ".made-"); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(made)) }()
	path, err := o.Keep.Make(made)
	if err != nil {
		return err
	}
	return s.start(o, device{}, fromFile(path))
}

// private makes the folder and says whether nobody else can put graphs there.
func private(folder string) bool {
	if os.MkdirAll(folder, 0o700) != nil {
		return false
	}
	info, err := os.Stat(folder)
	return err == nil && info.IsDir() && (runtime.GOOS == "windows" || info.Mode().Perm()&0o022 == 0)
}

// describeKept says what the files of a kept graph are like: the graph's hash, and the weights' size and time.
func describeKept(dir string) (string, error) {
	graph, err := os.ReadFile(filepath.Join(dir, keptGraph))
	if err != nil {
		return "", err
	}
	size, changed := int64(0), int64(0)
	info, err := os.Stat(filepath.Join(dir, keptWeights))
	switch {
	case err == nil:
		size, changed = info.Size(), info.ModTime().UnixNano()
	case !errors.Is(err, os.ErrNotExist): // of small weights
		return "", err
	}
	return fmt.Sprintf("%016x %d %d\n", xxhash.Sum64(graph), size, changed), nil
}

// record writes the record of files that are on disk.
func record(dir string) error {
	for _, name := range []string{keptGraph, keptWeights} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) && name == keptWeights {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	text, err := describeKept(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, keptRecord), []byte(text), 0o600)
}

// recorded says whether the files are still what was recorded.
func recorded(dir string) bool {
	want, err := os.ReadFile(filepath.Join(dir, keptRecord))
	if err != nil {
		return false
	}
	got, err := describeKept(dir)
	return err == nil && got == string(want)
}

// prune clears away what is beyond the bound, but not the graph in a folder, and what attempts left that did not end.
func (k *Keep) prune(but string) {
	entries, err := os.ReadDir(k.Folder)
	if err != nil {
		return
	}
	type kept struct {
		dir   string
		used  time.Time
		bytes int64
	}
	var all []kept
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		dir := filepath.Join(k.Folder, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			if time.Since(info.ModTime()) > keepStale {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		one := kept{dir: dir, used: info.ModTime()}
		for _, name := range []string{keptGraph, keptWeights} {
			if f, err := os.Stat(filepath.Join(dir, name)); err == nil {
				one.bytes += f.Size()
			}
		}
		if dir == but {
			one.used = time.Now()
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Or(b.used.Compare(a.used), strings.Compare(a.dir, b.dir)) })
	sum := int64(0)
	for _, one := range all {
		if sum += one.bytes; sum > keepBytes && one.dir != but {
			_ = os.RemoveAll(one.dir)
		}
	}
}
