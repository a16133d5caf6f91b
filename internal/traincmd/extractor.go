package traincmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/vision"
	"github.com/aladin-go/aladin/train"
)

// An extractor is where regions come from, and what the bundle must keep of it.
type extractor struct {
	x        vision.Extractor // nil: precomputed
	dir      string           // of its files
	views    []vision.View    // what training sees of a picture
	tags     []string         // class names it can give
	manifest bundle.Regions
	files    map[string]func(io.Writer) error
}

// plain is the same extractor without augmentation.
func (e *extractor) plain() *extractor {
	p := *e
	p.views = nil
	return &p
}

func (e *extractor) close() {
	if e.x != nil {
		e.x.Close()
	}
}

// openExtractor finds the extractor: what --regions names, else the teacher's, else raw patches.
func openExtractor(name string, start *train.Model, data *source.Flags, cfg *train.Config, threads int, device string) (*extractor, error) {
	if data.Features != "" {
		if name != "" {
			return nil, fmt.Errorf("%w: --regions means nothing to --features, which has regions already", errUsage)
		}
		return &extractor{manifest: bundle.Regions{Kind: bundle.Precomputed}}, nil
	}
	vc, dir, err := extractorConfig(name, start)
	if err != nil {
		return nil, err
	}
	e := &extractor{dir: dir}
	if e.x, err = vision.Open(vc, dir, &ort.Options{Threads: threads, Device: device}); err != nil {
		return nil, err
	}
	if e.views, err = views(cfg.Training.Augment); err != nil {
		return nil, err
	}
	for _, m := range vc.Models {
		if m.Boxes != nil {
			e.tags = append(e.tags, m.Boxes.Names...)
		}
	}
	kind := bundle.Patches
	if vc.Kind == "onnx" {
		kind = bundle.ONNX
	}
	raw, err := json.Marshal(vc)
	if err != nil {
		return nil, err
	}
	e.manifest = bundle.Regions{Kind: kind, Config: raw}
	e.files = regionFiles(dir, vc.Files())
	return e, nil
}

// extractorConfig reads --regions: a JSON file, a bundle's folder, or a preset; "" is the teacher's own or
// the preset of raw patches.
func extractorConfig(name string, start *train.Model) (*vision.Config, string, error) {
	if name == "" && start != nil && start.Regions.Kind != bundle.Precomputed {
		vc, err := vision.ParseConfig(start.Regions.Config)
		return vc, start.Dir, err
	}
	if name == "" {
		name = "patches"
	}
	st, err := os.Stat(name)
	switch {
	case err == nil && st.IsDir():
		b, err := bundle.Open(name)
		if err != nil {
			return nil, "", err
		}
		if b.Manifest.Regions.Kind == bundle.Precomputed {
			return nil, "", fmt.Errorf("%s reads precomputed features: it has no extractor for photos", name)
		}
		dir, err := b.RegionsDir()
		if err != nil {
			return nil, "", err
		}
		vc, err := vision.ParseConfig(b.Manifest.Regions.Config)
		return vc, dir, err
	case err == nil:
		vc, err := vision.ReadConfig(name)
		return vc, filepath.Dir(name), err
	case errors.Is(err, fs.ErrNotExist) && slices.Contains(vision.Presets(), name):
		vc, err := vision.Preset(name)
		if err == nil && len(vc.Files()) > 0 {
			err = fmt.Errorf("%w: the preset %s needs its model files beside it: aladin-train init --regions FILE.json makes a bundle of them", errUsage, name)
		}
		return vc, "", err
	}
	return nil, "", fmt.Errorf("--regions %s: neither a file nor a preset (%s): %w", name, strings.Join(vision.Presets(), ", "), err)
}

// views are the ways in which training looks at a picture, by the names in training.augment.
func views(names []string) ([]vision.View, error) {
	out := []vision.View{{}}
	known := map[string][]vision.View{
		"flip": {{Flip: true}},
		"crop": {{Crop: region.Box{0, 0, 0.85, 0.85}}, {Crop: region.Box{0.15, 0.15, 1, 1}}, {Crop: region.Box{0.15, 0, 1, 0.85}}, {Crop: region.Box{0, 0.15, 0.85, 1}}},
	}
	for _, n := range names {
		v, ok := known[n]
		if !ok {
			return nil, fmt.Errorf("%w: training.augment names %q; known are crop and flip", errUsage, n)
		}
		out = append(out, v...)
	}
	return out, nil
}
