package traincmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/regions"
)

var initVerb = cli.Verb{
	Name: "init", Summary: "make a bundle around models that turn photos into regions",
	Args: "--regions FILE.json --out BUNDLE [--models DIR]",
	About: `
Makes a bundle skeleton around an extractor of regions: your detector and backbone as ONNX, described by
FILE.json, or one of the ready-made descriptions. The models are tried once, copied into the bundle, and
trained for with aladin-train run. --print shows a ready-made description as a start for your own.

  aladin-train init --regions mobilenet-yolox --models models --out photos.skeleton
  aladin-train init --regions mobilenet-yolox --print > mine.json
  aladin-train init --regions mine.json --models models --out mine.skeleton

Ready-made: ` + strings.Join(regions.Presets(), ", ") + `.
`,
	Setup: func(f *cli.Flags) cli.Body {
		source := f.String("regions", "", "`description` of the extractor: a JSON file, or the name of a ready-made one")
		models := f.String("models", "", "`folder` of the models that the description names (default the description's own)")
		out := f.String("out", "", "`bundle` to write")
		name := f.String("name", "", "the model's `name`; the description's if not given")
		show := f.Bool("print", false, "print the description and stop")
		asJSON := f.Bool("json", false, "what was made, as JSON")
		return func(ctx context.Context, env cli.Env, args []string) error {
			switch {
			case len(args) > 0:
				return cli.Misuse("init takes no arguments, have %q", args)
			case *source == "":
				return cli.Misuse("--regions is missing: a JSON file, or one of %s", strings.Join(regions.Presets(), ", "))
			case *out == "" && !*show:
				return cli.Misuse("--out is missing: the bundle to write")
			}
			cfg, dir, err := readRegions(*source, *models)
			if err != nil {
				return err
			}
			if *show {
				return cli.WriteJSON(env.Stdout, cfg)
			}
			b, err := makeSkeleton(cfg, dir, *name, *out)
			if err != nil {
				return err
			}
			if *asJSON {
				return cli.WriteJSON(env.Stdout, map[string]any{"bundle": b.Dir(), "model": b.Fingerprint(),
					"region_dim": b.Manifest.Dims.Region, "files": b.Files()})
			}
			fmt.Fprintf(env.Stdout, "%s: %s, regions of %d features\n", b.Dir(), b.Fingerprint(), b.Manifest.Dims.Region)
			return nil
		}
	},
}

// readRegions reads a description and says where its models lie.
func readRegions(what, models string) (cfg *regions.Config, dir string, err error) {
	cfg, err = regions.ReadConfig(what)
	dir = filepath.Dir(what)
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(regions.Presets(), what) {
		cfg, err = regions.Preset(what)
	}
	if models != "" {
		dir = models
	}
	return cfg, dir, err
}

// makeSkeleton tries the extractor and writes it as a bundle, in which all files lie side by side.
func makeSkeleton(cfg *regions.Config, dir, name, out string) (*bundle.Bundle, error) {
	x, err := regions.Open(cfg, dir, nil)
	if err != nil {
		return nil, err
	}
	dim := x.Dim()
	if err := x.Close(); err != nil {
		return nil, err
	}
	files := map[string]func(io.Writer) error{}
	from := map[string]string{}
	flat := cfg.Clone()
	move := func(file *string) error {
		path := filepath.Join(dir, filepath.FromSlash(*file))
		base := filepath.Base(path)
		if other, ok := from[base]; ok && other != path {
			return fmt.Errorf("%s and %s bear one name; a bundle's files lie side by side", other, path)
		}
		*file, from[base], files[base] = base, path, bundle.FromFile(path)
		return nil
	}
	for i := range flat.Models {
		if err := move(&flat.Models[i].File); err != nil {
			return nil, err
		}
	}
	if flat.Standardise != "" {
		if err := move(&flat.Standardise); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(flat)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = cfg.Name
	}
	if name == "" {
		name = "regions"
	}
	return bundle.Create(out, bundle.Manifest{Name: name, Dims: bundle.Dims{Region: dim},
		Regions: bundle.Regions{Kind: cfg.Kind, Config: text}}, files)
}
