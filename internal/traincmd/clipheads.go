package traincmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/heads"
)

// headsModel is the model.name of configurations that train heads on towers.
const headsModel = "clip-aladin"

// towersTeacher opens the teacher if it is a model of two towers, which only heads are trained on; nil if not.
func (o *runOptions) towersTeacher(cfg *config.Config) (*bundle.Bundle, error) {
	asked := cfg.Model.Name == headsModel
	if o.teacher == "" || o.vinvl != "" {
		if asked {
			return nil, cli.Misuse("--config %s wants a model of two towers as --teacher (aladin-train import --clip)", o.config)
		}
		return nil, nil
	}
	b, err := bundle.Open(modelflags.Find(o.teacher))
	switch {
	case err != nil && asked:
		return nil, err
	case err != nil:
		return nil, nil // a checkpoint, or whatever says so later
	case b.Manifest.Towers == nil && asked:
		return nil, cli.Misuse("--teacher %s has no towers; --config %s trains heads on a model of aladin-train import --clip", o.teacher, o.config)
	case b.Manifest.Towers != nil && !asked:
		return nil, cli.Misuse("--teacher %s is a model of two towers; what is trained on them are heads: --config %s", o.teacher, headsModel)
	case !asked:
		return nil, nil
	}
	return b, nil
}

// heads trains heads on towers.
func (o *runOptions) heads(ctx context.Context, env cli.Env, cfg *config.Config, teacher *bundle.Bundle) (err error) {
	for flag, given := range map[string]bool{
		"--resume": o.resume, "--regions": o.regions != "", "--imitate": o.imitate != "", "--clip-text or --clip-merges": o.clip.given(),
		"--features": o.data.Features != "", "--val-features": o.val.Features != "",
	} {
		if given {
			return cli.Misuse("%s means nothing for heads on two towers, which read photos and captions and take minutes", flag)
		}
	}
	w := &watcher{out: env.Stderr, quiet: o.quiet}
	defer w.done()
	run := &heads.Run{Config: cfg, Teacher: teacher, Dir: o.out, Name: o.name, Device: o.device, Threads: o.threads, Observe: w.observe}
	data, src, err := headsData(ctx, &o.data, "train")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	w.skipped(src.Skipped)
	run.Data = data
	if o.val.Given() {
		val, src, err := headsData(ctx, &o.val, "val")
		if err != nil {
			return err
		}
		defer src.Close()
		run.Val = val
	}
	res, err := run.Do(ctx)
	if err != nil {
		return err
	}
	w.done()
	dir := filepath.Join(o.out, "model")
	if o.json {
		return cli.WriteJSON(env.Stdout, map[string]any{"model": dir, "validation": res.After, "before": res.Before, "adapter": res.Adapter, "ranks": res.Ranks})
	}
	fmt.Fprintf(env.Stdout, "model: %s\n", dir)
	fmt.Fprintf(env.Stdout, "validation, sums of recalls: matching %.1f → %.1f; re-ranked by alignment %.1f", res.Before.Matching.RSum, res.After.Matching.RSum, res.After.Rerank.RSum)
	if !res.Ranks {
		fmt.Fprint(env.Stdout, ", which only explains")
	}
	fmt.Fprintln(env.Stdout)
	return nil
}

// headsData is a source as heads are trained on it.
func headsData(ctx context.Context, flags *source.Flags, split string) (*heads.Data, *source.Source, error) {
	src, err := flags.Open(ctx, &source.Options{Split: split})
	if err != nil {
		return nil, nil, err
	}
	if len(src.Captions) == 0 {
		return nil, nil, errors.Join(cli.Misuse("%s has no captions", src.Name), src.Close())
	}
	d := &heads.Data{Name: src.Name}
	for i, item := range src.Items {
		d.Images = append(d.Images, heads.Image{ID: item.ID, Input: src.Input(i)})
	}
	for _, c := range src.Captions {
		d.Captions = append(d.Captions, heads.Caption{Image: c.Image, Text: c.Text})
	}
	return d, src, nil
}
