package source

import (
	"context"
	"strings"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/vinvl"
)

// Flags are the flags that name a source, as all commands have them.
type Flags struct {
	Images   string // --images DIR
	Walk     WalkOptions
	Captions string // --captions FILE.tsv

	Features  string // --features DIR
	CocoIR    string // --coco-ir DIR
	Split     string // --split, also of scenes
	Keys      string // --keys FILE
	Detection string // --detection

	Scenes int    // --scenes N
	Seed   uint64 // --seed S

	// Several allows --images and --captions more than once; it is set before Register.
	Several bool

	several several
	prefix  string
}

const (
	imagesUsage   = "`folder` of photos, searched with all its subfolders"
	captionsUsage = "`file` of lines: photo <tab> number <tab> caption, or CSV, JSON lines or COCO's JSON; only the photos it names are used"
)

// Options are what the command, not its user, says about a source.
type Options struct {
	// Split is the part of the data that the command is for when no --split is given: "train" (the
	// default), "val" or "test".
	Split string
	// MaxRegions cuts the regions of precomputed pictures; 0 keeps all.
	MaxRegions int
	// Dim is the number of features that precomputed regions must have; 0 takes any.
	Dim int
	// Detection is the detection type where no --detection is given; "" is fast.
	Detection string
}

// Register defines the flags on fs, with a prefix such as "val-" before each name.
func (f *Flags) Register(fs *cli.Flags, prefix string) {
	f.prefix = prefix
	heading := func(what string) {
		if prefix != "" {
			what = "Validation"
		}
		fs.Group(what)
	}
	heading("Photos and captions")
	if f.Several {
		f.several.register(fs, f, prefix)
	} else {
		fs.StringVar(&f.Images, prefix+"images", f.Images, imagesUsage)
		fs.StringVar(&f.Captions, prefix+"captions", f.Captions, captionsUsage)
	}
	f.Walk.Register(fs, prefix)
	heading("Features in VinVL's layout, in place of photos")
	fs.StringVar(&f.Features, prefix+"features", f.Features, "`folder` of the features")
	fs.StringVar(&f.CocoIR, prefix+"coco-ir", f.CocoIR, "`folder` of their captions (SPLIT_captions.pt)")
	fs.StringVar(&f.Keys, prefix+"keys", f.Keys, "`file` in the captions' folder that lists the pictures to use (test_img_keys_1k.tsv)")
	fs.StringVar(&f.Detection, prefix+"detection", f.Detection, "`whose` features: "+strings.Join(vinvl.Detections(), ", ")+" (default fast, or the configuration's)")
	fs.StringVar(&f.Split, prefix+"split", f.Split, "which `part`, also of scenes: train, minival, val or test")
	heading("Generated scenes, in place of photos")
	fs.IntVar(&f.Scenes, prefix+"scenes", f.Scenes, "`number` of scenes with captions")
	fs.Uint64Var(&f.Seed, prefix+"seed", f.Seed, "`seed` of the scenes")
	fs.Group(cli.General)
}

// Given says whether any source is named.
func (f *Flags) Given() bool { return f.Images != "" || f.Features != "" || f.Scenes != 0 }

// Check finds contradictions; its errors are of class cli.ErrUsage.
func (f *Flags) Check() error {
	name := func(s string) string { return "--" + f.prefix + s }
	var kinds []string
	for _, k := range []struct {
		given bool
		flag  string
	}{{f.Images != "", "images"}, {f.Features != "", "features"}, {f.Scenes != 0, "scenes"}} {
		if k.given {
			kinds = append(kinds, name(k.flag))
		}
	}
	switch {
	case len(kinds) == 0:
		return cli.Misuse("no source; name one of %s DIR, %s DIR, %s N", name("images"), name("features"), name("scenes"))
	case len(kinds) > 1:
		return cli.Misuse("%s are different sources; name one", strings.Join(kinds, " and "))
	case f.Captions != "" && f.Images == "":
		return cli.Misuse("%s belongs to %s", name("captions"), name("images"))
	case f.CocoIR != "" && f.Features == "":
		return cli.Misuse("%s belongs to %s", name("coco-ir"), name("features"))
	case f.Keys != "" && f.CocoIR == "":
		return cli.Misuse("%s belongs to %s", name("keys"), name("coco-ir"))
	case f.Detection != "" && f.Features == "":
		return cli.Misuse("%s belongs to %s", name("detection"), name("features"))
	case f.Split != "" && f.Images != "":
		return cli.Misuse("%s means nothing to %s; split the captions file instead", name("split"), name("images"))
	case f.Seed != 0 && f.Scenes == 0:
		return cli.Misuse("%s is the seed of generated scenes, and there are none; a training has one in its configuration", name("seed"))
	case f.Scenes < 0 || f.Scenes > MaxScenes:
		return cli.Misuse("%s %d, want 1 to %d", name("scenes"), f.Scenes, MaxScenes)
	}
	if err := f.several.check(f.prefix); err != nil {
		return err
	}
	if _, err := vinvl.ParseDetection(f.Detection); err != nil {
		return cli.Misuse("%s: %v", name("detection"), err)
	}
	switch f.Split {
	case "", "train", "minival", "val", "test":
		return nil
	}
	return cli.Misuse("%s %q, want train, minival, val or test", name("split"), f.Split)
}

// Open opens the source that the flags name.
func (f *Flags) Open(ctx context.Context, o *Options) (*Source, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Split == "" {
		opts.Split = "train"
	}
	if f.Split != "" {
		opts.Split = f.Split
	}
	if f.Detection != "" {
		opts.Detection = f.Detection
	}
	if d, err := vinvl.ParseDetection(opts.Detection); err != nil {
		return nil, err
	} else if d != vinvl.Fast && f.Features == "" {
		return nil, cli.Misuse("detection type %v is one of published features (--%sfeatures DIR)", d, f.prefix)
	}
	switch {
	case len(f.several.images) > 1:
		return f.several.open(ctx, &f.Walk)
	case f.Images != "":
		return openFolder(ctx, f.Images, f.Captions, &f.Walk)
	case f.Features != "":
		return f.openFeatures(ctx, &opts)
	default:
		return openScenes(ctx, f.Scenes, f.Seed, opts.Split)
	}
}
