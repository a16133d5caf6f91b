package traincmd

import (
	"context"
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
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/regions"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/model"
)

// An extractor is where regions come from, and what the bundle must keep of it.
type extractor struct {
	x        regions.Extractor // nil: precomputed
	single   regions.Extractor // nil: x; see openExtractor
	dir      string            // of its files
	views    []regions.View    // what training sees of a picture
	tags     []string          // class names it can give
	manifest bundle.Regions
	config   *regions.Config
	options  *ort.Options
	files    map[string]func(io.Writer) error
}

// augmented is the extractor for training: of all views.
func (e *extractor) augmented() *extractor {
	a := *e
	if e.single != nil {
		a.x = e.single
	}
	return &a
}

// plain is the extractor of the model: without augmentation.
func (e *extractor) plain() *extractor {
	p := *e
	p.views = nil
	return &p
}

func (e *extractor) close() {
	for _, x := range []regions.Extractor{e.x, e.single} {
		if x != nil {
			x.Close()
		}
	}
}

// openExtractor finds the extractor: what --regions names, else the teacher's, else segments.
func openExtractor(name string, start *model.Model, data *source.Flags, cfg *config.Config, threads int, device string) (*extractor, error) {
	if data.Features != "" {
		if name != "" {
			return nil, cli.Misuse("--regions means nothing to --features, which has regions already")
		}
		return &extractor{manifest: bundle.Regions{Kind: bundle.Precomputed}}, nil
	}
	vc, dir, err := extractorConfig(name, start)
	if err != nil {
		return nil, err
	}
	e := &extractor{dir: dir}
	if e.views, err = views(cfg.Training.Augment); err != nil {
		return nil, err
	}
	opts := &ort.Options{Threads: threads, Device: device}
	if e.x, err = regions.Open(vc, dir, opts); err != nil {
		return nil, err
	}
	// Averaged with its mirror image, a picture has no second view. So training sees the one or the other,
	// and only what the model is judged and used on is averaged.
	if vc.Regions != nil && vc.Regions.Flip && slices.Contains(cfg.Training.Augment, "flip") {
		once := vc.Clone()
		once.Regions.Flip = false
		if e.single, err = regions.Open(once, dir, opts); err != nil {
			e.close()
			return nil, err
		}
	}
	for _, m := range vc.Models {
		if m.Boxes != nil {
			e.tags = append(e.tags, m.Boxes.Names...)
		}
	}
	if err := e.describe(vc); err != nil {
		e.close()
		return nil, err
	}
	e.options = opts
	e.files = regionFiles(dir, vc.Files())
	return e, nil
}

// describe says in the manifest what the extractor is.
func (e *extractor) describe(vc *regions.Config) error {
	raw, err := json.Marshal(vc)
	e.config = vc
	e.manifest = bundle.Regions{Kind: vc.Kind, Config: raw}
	return err
}

// shrink has the model look at photos as sharp as those that it learns from, and no sharper: their shorter side is at most the
// median of theirs, unless the extractor's configuration says another.
func (e *extractor) shrink(ctx context.Context, learned *dataset.Data) error {
	if e.x == nil || e.config.Kind != bundle.ONNX || e.config.ShorterSide > 0 {
		return nil
	}
	n := learned.Images.Len()
	sides := make([]int, min(n, sampledSides))
	for i := range sides {
		set, err := learned.Images.Load(ctx, i*n/len(sides), 0)
		if err != nil {
			return err
		}
		sides[i] = min(set.Width, set.Height)
	}
	slices.Sort(sides)
	vc := e.config.Clone()
	vc.ShorterSide = min(max(sides[len(sides)/2], leastSide), mostSide)
	x, err := regions.Open(vc, e.dir, e.options)
	if err != nil {
		return err
	}
	err = e.x.Close()
	e.x = x
	return errors.Join(err, e.describe(vc))
}

const (
	// Models see a few hundred pixels: beyond mostSide nothing would be lost.
	leastSide, mostSide = 64, 1024
	// sampledSides is how many photos are asked for their size.
	sampledSides = 1000
)

// extractorConfig reads --regions: a JSON file, a bundle's folder, or a preset; "" is the teacher's own or
// the preset of segments.
func extractorConfig(name string, start *model.Model) (*regions.Config, string, error) {
	if name == "" && start != nil && start.Regions.Kind != bundle.Precomputed {
		vc, err := regions.ParseConfig(start.Regions.Config)
		return vc, start.Dir, err
	}
	if name == "" {
		name = "segments"
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
		vc, err := regions.ParseConfig(b.Manifest.Regions.Config)
		return vc, dir, err
	case err == nil:
		vc, err := regions.ReadConfig(name)
		return vc, filepath.Dir(name), err
	case errors.Is(err, fs.ErrNotExist) && slices.Contains(regions.Presets(), name):
		vc, err := regions.Preset(name)
		if err == nil && len(vc.Files()) > 0 {
			err = cli.Misuse("the preset %s needs its model files beside it: aladin-train init --regions FILE.json makes a bundle of them", name)
		}
		return vc, "", err
	}
	return nil, "", fmt.Errorf("--regions %s: neither a file nor a preset (%s): %w", name, strings.Join(regions.Presets(), ", "), err)
}

// views are the ways in which training looks at a picture, by the names in training.augment. With both, one
// of the parts is mirrored.
func views(names []string) ([]regions.View, error) {
	out := []regions.View{{}}
	for _, n := range names {
		switch n {
		case "flip":
			out = append(out, regions.View{Flip: true})
		case "crop":
			mirror := slices.Contains(names, "flip")
			out = append(out, regions.View{Crop: region.Box{0, 0, 0.85, 0.85}}, regions.View{Crop: region.Box{0.15, 0.15, 1, 1}, Flip: mirror})
		default:
			return nil, cli.Misuse("training.augment names %q; known are crop and flip", n)
		}
	}
	return out, nil
}
