package traincmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/training/calibrate"
	"github.com/aladin-go/aladin/internal/training/dataset"
)

var calibrateVerb = cli.Verb{
	Name: "calibrate", Summary: "measure how a model's scores are to be read",
	Args: "--model BUNDLE SOURCE [options]",
	About: `
Measures, on captioned photos that the model was not trained on, what matching should count beside alignment
when a search ranks, and keeps it in the bundle. A run of aladin-train run does so at its end, on the
validation data; this is for imported and older models, and for other photos. Of photos without captions it
measures relevance alone, by sentences that often fit photos. Indexes stay good: the model's encodings, and its
fingerprint, do not change.

  aladin-train calibrate --model aladin.model --features features --coco-ir coco_ir --split minival
  aladin-train calibrate --model photos.model --images photos --captions dev.tsv
  aladin-train calibrate --model clip.model --images ~/Photos
`,
	Setup: func(f *cli.Flags) cli.Body {
		var model modelflags.Flags
		var flags source.Flags
		var output cli.Output
		model.Register(f)
		flags.Register(f, "")
		output.Register(f)
		return func(ctx context.Context, env cli.Env, args []string) (err error) {
			switch {
			case len(args) > 0:
				return cli.Misuse("what is %q?", args[0])
			case model.Dir == "":
				return cli.Misuse("which --model? %s", modelflags.Hint)
			}
			if err := flags.Check(); err != nil {
				return cli.Misuse("%w", err)
			}
			m, err := model.Open(nil)
			if err != nil {
				return err
			}
			info := m.Info()
			if err := m.Close(); err != nil {
				return err
			}
			src, err := flags.Open(ctx, &source.Options{Split: "val", MaxRegions: info.MaxRegions, Dim: info.RegionDim})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, src.Close()) }()
			if err := src.Skipped.Report(env.Stderr, skipsShown); err != nil {
				return err
			}
			d := sourceData(src)
			p := output.Task(env, "encoding", len(d.Images)+len(d.Captions))
			defer p.Done()
			c, err := calibrate.Bundle(ctx, modelflags.Find(model.Dir), d, calibrate.Options{Device: model.Device, Threads: model.Threads, Progress: p.Set})
			p.Done()
			switch {
			case err != nil:
				return err
			case output.JSON:
				return cli.WriteJSON(env.Stdout, map[string]any{"model": info.Fingerprint, "calibration": c})
			case c == nil:
				fmt.Fprintln(env.Stdout, "nothing to calibrate: the photos and captions are too few")
			default:
				fmt.Fprintf(env.Stdout, "%s: %s\n", info.Fingerprint, c)
			}
			return nil
		}
	},
}

// skipsShown of what a source left out are named; the rest is counted.
const skipsShown = 10

// sourceData is as much of a source as is worth measuring.
func sourceData(src *source.Source) *calibrate.Data {
	d := &calibrate.Data{}
	for i := range src.Items {
		d.Images = append(d.Images, src.Input(i))
	}
	for _, c := range src.Captions {
		d.Captions = append(d.Captions, dataset.Caption{Image: c.Image, Text: c.Text})
	}
	return d.First()
}
