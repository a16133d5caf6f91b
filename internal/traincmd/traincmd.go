// Package traincmd is the command aladin-train.
package traincmd

import (
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/published"
)

// Program is the command.
var Program = cli.Program{
	Name:  "aladin-train",
	About: "Trains models that find pictures by words and words by pictures, and imports published ones.",
	Examples: `
  aladin-train run --config photos --images photos --captions train.tsv --out run
  aladin-train import --clip hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K --out clip.model
  aladin-train import --checkpoint model_best_rsum.pth.tar --vinvl checkpoint-0132780 --out aladin.model
`,
	Verbs: []cli.Verb{runVerb, importVerb, modelsVerb, calibrateVerb, exportVerb, initVerb, configsVerb, cacheVerb, deticVerb},
	Hints: published.TrainHints,
}
