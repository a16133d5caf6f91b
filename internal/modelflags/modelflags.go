// Package modelflags is the flags that name a model and say where it runs, as all commands have them.
package modelflags

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/picture"
)

// Hint says how somebody without a model gets one.
const Hint = "aladin-train import makes one of a published model (aladin-train models lists them), aladin-train run trains one on captioned photos, and make demo leaves one in build/demo/model"

// Flags are the flags --model, --device, --align-on-device, --threads, --int8-text and --max-pixels.
type Flags struct {
	Dir     string
	Device  string
	Threads int
	Align   bool
	Int8    bool
	Pixels  int64
}

// Register defines the flags.
func (m *Flags) Register(f *cli.Flags) {
	f.StringVar(&m.Dir, "model", "", "`folder` of the model, made by aladin-train")
	f.Group(cli.Advanced)
	f.StringVar(&m.Device, "device", "cpu", "`where` models run: "+ort.Devices+"; aladin-index devices lists what is there")
	f.BoolVar(&m.Align, "align-on-device", false, "align on the device, too; the processor is faster for the usual number of candidates")
	f.IntVar(&m.Threads, "threads", 0, "`number` of cores to use; 0 is all")
	f.BoolVar(&m.Int8, "int8-text", false, "encode texts with products of bytes: on a CPU faster with large models, and hardly different")
	f.Int64Var(&m.Pixels, "max-pixels", picture.DefaultMaxPixels, "most `pixels` of a photo; larger ones are left out")
	f.Group(cli.General)
}

// Open opens the model. Fields of options that flags stand for are overwritten; nil options are the defaults.
func (m *Flags) Open(options *aladin.Options) (*aladin.Model, error) {
	o, err := m.options(options)
	if err != nil {
		return nil, err
	}
	model, err := aladin.OpenModel(Find(m.Dir), o)
	return model, hint(err)
}

// Collection opens the model and an index that was built with it.
func (m *Flags) Collection(file string, options *aladin.Options) (*aladin.Collection, error) {
	o, err := m.options(options)
	if err != nil {
		return nil, err
	}
	c, err := aladin.Open(Find(m.Dir), file, o)
	return c, hint(err)
}

func (m *Flags) options(options *aladin.Options) (*aladin.Options, error) {
	if m.Dir == "" {
		return nil, cli.Misuse("which --model? %s", Hint)
	}
	if m.Threads < 0 {
		return nil, cli.Misuse("--threads %d", m.Threads)
	}
	if m.Pixels < 0 {
		return nil, cli.Misuse("--max-pixels %d", m.Pixels)
	}
	var o aladin.Options
	if options != nil {
		o = *options
	}
	o.Device, o.AlignOnDevice, o.Threads, o.Int8Text, o.MaxPixels = m.Device, m.Align, m.Threads, m.Int8, m.Pixels
	return &o, nil
}

// hint tells somebody who has no model yet, perhaps, where models come from.
func hint(err error) error {
	if errors.Is(err, aladin.ErrNotModel) {
		return hinted{err}
	}
	return err
}

type hinted struct{ error }

func (h hinted) Error() string { return h.error.Error() + " (" + Hint + ")" }

func (h hinted) Unwrap() error { return h.error }

// Find is the bundle that a path names: the folder itself or, where that is none, the folder model in it, as
// aladin-train run leaves it.
func Find(path string) string {
	isBundle := func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, bundle.ManifestFile))
		return err == nil
	}
	if inside := filepath.Join(path, "model"); !isBundle(path) && isBundle(inside) {
		return inside
	}
	return path
}
