package traincmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/published"
)

var importVerb = cli.Verb{
	Name: "import", Summary: "make a bundle of a published model: CLIP and its like, ALADIN, VinVL or BERT",
	Args: "(--clip FOLDER|hf:OWNER/NAME | [--checkpoint FILE.pth.tar] --vinvl DIR) --out BUNDLE [options]",
	About: `
With --clip, makes a bundle of a model of the CLIP family, ready for photos that have no captions: CLIP and
SigLIP as Hugging Face has them, OpenCLIP, and pairs of ONNX files. What the folder is is told by what lies in it.
A model of the Hugging Face hub is fetched into that ecosystem's cache; aladin-train models says which are good.

  aladin-train import --clip hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K --out clip.model
  aladin-train import --clip clip-vit-base-patch32 --out clip.model
  aladin-train import --clip siglip-base-patch16-224 --int8 --out siglip.model

Makes a bundle of a published model. With --checkpoint it is ALADIN's, ready for aladin-index and
aladin-eval, with everything that the released code does kept. Without, it is the encoder in DIR with
heads that are yet to be trained: VinVL's folder (checkpoint-0132780), or a Hugging Face folder with BERT
in it (config.json, vocab.txt, and model.safetensors or pytorch_model.bin).

  aladin-train import --checkpoint model_best_rsum.pth.tar --vinvl checkpoint-0132780 --out aladin.model
  aladin-train import --vinvl checkpoint-0132780 --out start.model
  aladin-train import --vinvl bert-base-uncased --region-dim 1030 --out start.model
  aladin-train import --checkpoint aladin2.pth.tar --vinvl checkpoint-0132780 \
      --clip-merges bpe_simple_vocab_16e6.txt.gz --out aladin2.model

Nothing in the files is executed. Tensors that are missing or of another shape are named, and so are those
that the network has no use for; the bundle keeps them for aladin-train export.
`,
	Setup: func(f *cli.Flags) cli.Body {
		var o published.Options
		f.StringVar(&o.Checkpoint, "checkpoint", "", "ALADIN's `checkpoint`: checkpoint.pth.tar or model_best_rsum.pth.tar")
		f.StringVar(&o.Backbone, "vinvl", "", "`folder` of the backbone: config.json, vocab.txt and, without --checkpoint, its weights")
		out := f.String("out", "", "`bundle` to write; one that is there is replaced when the new one is whole")
		name := f.String("name", "", "the model's `name`; the folder's if not given")
		f.IntVar(&o.MaxCaption, "max-caption", 0, "longest caption in `tokens`, the two special ones included (default the checkpoint's, else 50)")
		f.IntVar(&o.MaxLabels, "max-labels", 0, "likewise of an image's object labels, in `tokens`")
		f.IntVar(&o.MaxRegions, "max-regions", 0, "most `regions` of an image (default the checkpoint's, else 34)")
		f.StringVar(&o.Alignment, "alignment-mode", "", "alignment `mode` in place of the checkpoint's: MrSw, MrAVGw, MwSr, symm, sum, mean, scan-sentences, MrCOSw")
		f.IntVar(&o.RegionDim, "region-dim", 0, "`features` a region, of a fresh region layer (without --checkpoint; default the backbone's, else 2054)")
		f.BoolVar(&o.Released, "released", false, "without --checkpoint: labels and alignment as in the released code")
		f.BoolVar(&o.StartMissing, "start-missing", false, "start tensors that the checkpoint lacks from nothing instead of failing")
		f.Uint64Var(&o.Seed, "seed", 88, "`seed` of what starts from nothing")
		asJSON := f.Bool("json", false, "what was imported, as JSON")
		var tower clipFlags
		tower.register(f)
		var clip clipImport
		clip.register(f.FlagSet)
		return func(ctx context.Context, env cli.Env, args []string) error {
			switch {
			case len(args) > 0:
				return cli.Misuse("import takes no arguments, have %q", args)
			case clip.source != "" && (o.Backbone != "" || o.Checkpoint != "" || tower.given()):
				return cli.Misuse("--clip is for a whole model, without --checkpoint, --vinvl, --clip-text and --clip-merges")
			case clip.source != "" && *out != "":
				return clip.run(ctx, env, *name, *out, *asJSON)
			case clip.source == "" && clip != (clipImport{}):
				return cli.Misuse("--int8, --f16 and --matching-only are for --clip")
			case clip.source == "" && o.Backbone == "":
				return cli.Misuse("--clip or --vinvl is missing: the folder of a model")
			case *out == "":
				return cli.Misuse("--out is missing: the bundle to write")
			case o.Checkpoint != "" && (o.RegionDim != 0 || o.Released):
				return cli.Misuse("--region-dim and --released are for an encoder without --checkpoint")
			}
			m, err := published.Read(o)
			if err != nil {
				return err
			}
			defer m.Close()
			if *name == "" {
				*name = m.Name()
			}
			b, err := saveImported(ctx, m, &tower, *name, *out)
			if err != nil {
				return err
			}
			return reportImport(env, m, b, *asJSON)
		}
	},
}

// saveImported writes the bundle. Parameters go from file to file.
func saveImported(ctx context.Context, m *published.Model, tower *clipFlags, name, dir string) (*bundle.Bundle, error) {
	model, err := startFrom(m)
	if err != nil {
		return nil, err
	}
	note, err := tower.imported(ctx, model, m)
	if err != nil {
		return nil, err
	}
	if note != "" {
		m.Notes = append(m.Notes, note)
	}
	model.Name, model.Regions.Kind = name, bundle.Precomputed
	model.RegionFiles = map[string]func(io.Writer) error{published.KeptFile: m.Kept().Write}
	model.Training = map[string]any{"imported": m.Origin()}
	return model.Save(dir)
}

// An importReport says what came of an import.
type importReport struct {
	Bundle     string            `json:"bundle"`
	Model      string            `json:"model"`
	Parameters int               `json:"parameters"`
	Tensors    int               `json:"tensors"`
	Lengths    bundle.Lengths    `json:"lengths"`
	Dims       bundle.Dims       `json:"dims"`
	Alignment  string            `json:"alignment"`
	Quirks     bundle.Quirks     `json:"quirks"`
	CLIP       *bundle.TextTower `json:"clip,omitempty"`
	Fresh      []string          `json:"fresh"`
	Unused     []published.Spare `json:"unused"`
	Notes      []string          `json:"notes"`
}

func reportImport(env cli.Env, m *published.Model, b *bundle.Bundle, asJSON bool) error {
	man := b.Manifest
	r := importReport{Bundle: b.Dir(), Model: b.Fingerprint(), Tensors: len(m.Params), Lengths: man.Lengths, Dims: man.Dims,
		Alignment: man.Alignment, Quirks: man.Quirks, CLIP: man.CLIP, Fresh: []string{}, Unused: m.Unused, Notes: m.Notes}
	for _, p := range m.Params {
		r.Parameters += p.Len()
	}
	for _, p := range m.Fresh {
		r.Fresh = append(r.Fresh, p.Name)
	}
	if asJSON {
		return cli.WriteJSON(env.Stdout, r)
	}
	w := env.Stdout
	fmt.Fprintf(w, "%s: %s\n", r.Bundle, r.Model)
	fmt.Fprintf(w, "  %d tensors, %d parameters; embeddings of %d, regions of %d features\n", r.Tensors, r.Parameters, r.Dims.Embed, r.Dims.Region)
	fmt.Fprintf(w, "  captions of %d tokens, labels of %d, %d regions; alignment %s\n", r.Lengths.Caption, r.Lengths.Labels, r.Lengths.Regions, r.Alignment)
	if man.Quirks != (bundle.Quirks{}) {
		fmt.Fprintf(w, "  as released: labels begin with %s, last word piece left out: %v, null region: %v\n",
			man.Quirks.FirstToken(), man.Quirks.DropLastPiece, man.Quirks.NullRegion)
	}
	if c := man.CLIP; c != nil {
		fmt.Fprintf(w, "  vectors of CLIP's text tower: of %d numbers for captions, %d for labels (0: word pieces)\n", c.Captions, c.Labels)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	for _, n := range r.Fresh {
		fmt.Fprintf(w, "  fresh: %s\n", n)
	}
	towers := 0
	for _, u := range r.Unused {
		if strings.Contains(u.Name, ".clip_model.") { // hundreds
			towers++
			continue
		}
		why := u.Why
		if why == "" {
			why = "unknown to this network"
		}
		fmt.Fprintf(w, "  unused: %s %v (%s)\n", u.Name, u.Shape, why)
	}
	if towers > 0 {
		fmt.Fprintf(w, "  not trained: the %d tensors of CLIP itself\n", towers)
	}
	return nil
}
