package traincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/source"
	"github.com/aladin-go/aladin/internal/training"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/validate"
)

var runVerb = cli.Verb{
	Name: "run", Summary: "train a model",
	Args: "--config NAME|FILE.yaml SOURCE [--val-… SOURCE] --out DIR [options]",
	About: `
Trains on captioned photos, on published features or on generated scenes. DIR/model is the best model so
far, DIR/last what --resume goes on from; DIR/metrics.jsonl, DIR/tensorboard and DIR/report.html tell how
it went. Ctrl-C saves first.

  aladin-train run --config scenes --scenes 4000 --val-scenes 200 --out build/run
  aladin-train run --config photos --regions extractor.json --images photos --captions train.tsv \
      --val-images photos --val-captions dev.tsv --out run
  aladin-train run --config alad-alignment-and-matching-distill --teacher vinvl.model \
      --features features --coco-ir coco_ir --split train --val-features features \
      --val-coco-ir coco_ir --val-split minival --out run
  aladin-train run --config clip-aladin --teacher clip.model --images photos --captions captions.tsv --out run
`,
	Setup: func(f *cli.Flags) cli.Body {
		o := &runOptions{}
		o.data.Several, o.val.Several = true, true
		f.StringVar(&o.config, "config", "", "configuration: a `name` from aladin-train configs, or a YAML file")
		f.StringVar(&o.out, "out", "", "`folder` for everything the run leaves")
		f.IntVar(&o.epochs, "epochs", 0, "`number` of epochs, in place of the configuration's")
		f.IntVar(&o.batch, "batch-size", 0, "pairs a `batch`, in place of the configuration's")
		f.BoolVar(&o.resume, "resume", false, "go on where the run in --out stopped")
		f.StringVar(&o.regions, "regions", "", "where regions come from: an extractor's .json, a bundle of aladin-train init, or a preset's `name` (default: segments)")
		f.StringVar(&o.name, "name", "", "`name` of the model (default: the configuration's)")
		f.BoolVar(&o.quiet, "quiet", false, "no progress")
		f.BoolVar(&o.json, "json", false, "the result as JSON on standard output")
		o.data.Register(f, "")
		o.val.Register(f, "val-")
		f.Group("Models to start or to learn from")
		f.StringVar(&o.teacher, "teacher", "", "`model` to start from: a bundle, or a checkpoint (.pth.tar, with --vinvl)")
		f.StringVar(&o.vinvl, "vinvl", "", "VinVL's backbone `folder`, for a checkpoint given as --teacher")
		f.BoolVar(&o.optimizer, "resume-optimizer", false, "go on where a checkpoint given as --teacher stopped: with its Adam state, in its epoch")
		f.StringVar(&o.imitate, "imitate", "", "trained `bundles`, separated by commas, whose rankings the model learns too (adds the loss imitation); models of aladin-train import --clip among them")
		f.StringVar(&o.sentences, "sentences", "", "for photos without captions: a `file` with a sentence a line, of which each photo gets those that an imitated model of --clip finds best")
		f.StringVar(&o.words, "words", "", "`folder` of a BERT or MiniLM in Hugging Face's form, from which words get embeddings that no caption has")
		o.clip.register(f)
		f.Group(cli.Advanced)
		f.IntVar(&o.saveEvery, "save-every", 0, "`steps` between two states to resume from, in place of the configuration's")
		f.IntVar(&o.valEvery, "val-every", 0, "`steps` between two validations, in place of the configuration's")
		f.IntVar(&o.lengths.Caption, "max-caption", 0, "longest caption in `tokens`, the two special ones included (default: the configuration's, else the teacher's, else 50)")
		f.IntVar(&o.lengths.Labels, "max-labels", 0, "likewise of an image's object labels, in `tokens`")
		f.IntVar(&o.lengths.Regions, "max-regions", 0, "most `regions` of an image (default: the configuration's, else the teacher's, else 34)")
		f.Uint64Var(&o.seed, "training-seed", 0, "`seed` of the training, in place of the configuration's; --seed is that of scenes")
		f.StringVar(&o.aggregation, "aggregation-type", "", "labels: one sentence for labels that repeat, in place of the configuration's `type`")
		f.StringVar(&o.device, "device", "cpu", "`where` to compute: "+ort.Devices)
		f.IntVar(&o.threads, "threads", 0, "cores to use (default: all)")
		o.cache.register(f)
		return o.run
	},
}

type runOptions struct {
	data, val                                          source.Flags
	config, out, teacher, vinvl, regions, name, device string
	aggregation, imitate, sentences, words             string
	clip                                               clipFlags
	cache                                              cacheFlags
	lengths                                            config.Lengths
	epochs, batch, threads, saveEvery, valEvery        int
	seed                                               uint64
	resume, quiet, json, optimizer                     bool
}

func (o *runOptions) run(ctx context.Context, env cli.Env, args []string) error {
	switch {
	case len(args) > 0 && o.resume && strings.Contains(filepath.Base(args[0]), ".pth"):
		return cli.Misuse("--resume goes on with the run in --out and takes no value; from a checkpoint it is --teacher %s --vinvl FOLDER --resume-optimizer", args[0])
	case len(args) > 0:
		return cli.Misuse("what is %q?", args[0])
	case o.config == "":
		return cli.Misuse("--config is missing")
	case o.out == "":
		return cli.Misuse("--out is missing")
	case o.words != "" && o.teacher != "":
		return cli.Misuse("--words is for a model that starts from nothing; one of --teacher has its words")
	case o.optimizer && (o.teacher == "" || o.vinvl == ""):
		return cli.Misuse("--resume-optimizer wants a checkpoint as --teacher, with --vinvl")
	}
	if err := errors.Join(o.data.Check(), o.cache.check()); err != nil {
		return cli.Misuse("%w", err)
	}
	cfg, err := o.configure()
	if err != nil {
		return err
	}
	if towers, err := o.towersTeacher(cfg); err != nil {
		return err
	} else if towers != nil {
		return o.heads(ctx, env, cfg, towers)
	}
	start, err := o.openTeacher(ctx)
	if err != nil {
		return err
	}
	defer start.close()
	w := &watcher{out: env.Stderr, quiet: o.quiet}
	defer w.done()
	for _, n := range cfg.Notes {
		w.note("%s: %s", o.config, n)
	}
	o.settleLengths(w, cfg, start.model())
	ext, err := openExtractor(o.regions, start.model(), &o.data, cfg, o.threads, o.device)
	if err != nil {
		return err
	}
	defer ext.close()
	imitate, towers, err := o.examples()
	if err != nil {
		return err
	}
	words, err := o.openWords()
	if err != nil {
		return err
	}
	defer words.close()
	// Whatever can be wrong is found before regions are extracted, which may take hours.
	data, err := o.open(ctx, &o.data, cfg, "train")
	if err != nil {
		return err
	}
	defer data.close()
	var val *regionData
	if o.val.Given() {
		if val, err = o.open(ctx, &o.val, cfg, "val"); err != nil {
			return err
		}
		defer val.close()
	}
	captions := len(data.src.Captions)
	if o.sentences != "" {
		captions = bestSentences * len(data.src.Items)
	}
	o.fitBatch(w, cfg, captions)
	if err := training.Check(cfg, captions, len(imitate)+len(towers), start != nil); err != nil {
		return err
	}
	if err := data.extract(ctx, w, ext.augmented(), o.cache); err != nil {
		return err
	}
	known, err := o.known(ctx, w, towers, data.set, cfg)
	if err != nil {
		return err
	}
	if o.sentences == "" { // some photos may have turned out unusable
		o.fitBatch(w, cfg, len(data.train().Captions))
	}
	learned := data.train()
	if err := ext.shrink(ctx, learned); err != nil {
		return err
	}
	run := &training.Run{Config: cfg, Data: learned, Known: known, Dir: o.out, Resume: o.resume, Device: o.device, Threads: o.threads, Imitate: imitate, Observe: w.observe}
	if val != nil {
		if err := val.extract(ctx, w, ext.plain(), o.cache); err != nil {
			return err
		}
		run.Val = val.train()
	}
	if run.Model, err = o.model(ctx, w, cfg, start, ext, run.Data, words); err != nil {
		return err
	}
	if err := words.lend(ctx, w, run); err != nil {
		return err
	}
	if err := o.readCLIP(ctx, cfg, run.Model); err != nil {
		return err
	}
	if err := o.learn(w, cfg, start, run); err != nil {
		return err
	}
	best, err := run.Do(ctx)
	if err != nil {
		return err
	}
	w.done()
	return o.finish(env, best)
}

func (o *runOptions) configure() (*config.Config, error) {
	cfg, err := config.Load(o.config)
	if err != nil {
		return nil, err
	}
	if o.epochs > 0 {
		cfg.Training.Epochs = o.epochs
	}
	if o.batch > 0 {
		cfg.Training.BatchSize = o.batch
	}
	cfg.SetLengths(o.lengths.Or(cfg.Lengths()))
	if o.saveEvery > 0 {
		cfg.Training.SaveEvery = o.saveEvery
	}
	if o.valEvery > 0 {
		cfg.Training.ValEvery = o.valEvery
	}
	if o.seed > 0 {
		cfg.Training.Seed = o.seed
	}
	if o.imitate != "" {
		cfg.AddImitation()
	}
	if o.aggregation != "" {
		cfg.AggregationType = o.aggregation
	}
	if o.data.Detection != "" {
		cfg.DetectionType = o.data.Detection
	}
	if o.name == "" {
		o.name = modelName(o.config)
	}
	return cfg, cfg.Validate()
}

// readCLIP makes the model read CLIP's vectors if the configuration says so.
func (o *runOptions) readCLIP(ctx context.Context, cfg *config.Config, m *model.Model) error {
	reads := cfg.EnableCLIPCaptions || cfg.EnableCLIPLabels
	switch {
	case !reads && o.clip.given() && m.Text.CLIP == nil:
		return cli.Misuse("--clip-text and --clip-merges are for configurations with enable_clip_labels or enable_clip_captions")
	case reads && (m.Text.CLIP == nil || o.clip.text != ""):
		if err := o.clip.attach(m, nil); err != nil {
			return err
		}
	}
	if m.Text.CLIP != nil {
		m.Text.CLIP.Tower.Options = ort.Options{Threads: o.threads, Device: o.device}
	}
	return m.SetCLIP(ctx, cfg)
}

// settleLengths makes the configuration say every length, from here on the only place that does: what it leaves open is
// the teacher's.
func (o *runOptions) settleLengths(w *watcher, cfg *config.Config, teacher *model.Model) {
	asked, own := cfg.Lengths(), config.DefaultLengths
	if teacher != nil {
		own = teacher.Lengths()
	}
	cfg.SetLengths(asked.Or(own))
	if teacher != nil && cfg.Lengths() != own {
		w.note("the teacher reads %s; the configuration asks for others", own)
	}
}

// fitBatch lets a collection that is smaller than a batch be one batch, unless --batch-size says otherwise.
func (o *runOptions) fitBatch(w *watcher, cfg *config.Config, captions int) {
	if bs := cfg.Training.BatchSize; o.batch == 0 && captions >= 2 && captions < bs {
		w.note("%d captions are fewer than a batch of %d: they are one batch. So few teach a model their own photos and little more", captions, bs)
		cfg.Training.BatchSize = captions
	}
}

// modelName is a configuration's name or its file's, without folder and suffix.
func modelName(config string) string {
	base := filepath.Base(config)
	return base[:len(base)-len(filepath.Ext(base))]
}

// learn lets the run's model take what the teacher has, and tells what that is.
func (o *runOptions) learn(w *watcher, cfg *config.Config, start *teacher, run *training.Run) (err error) {
	if start == nil {
		run.FromData = true
		return nil
	}
	if start.took, err = run.Model.Fit(cfg); err != nil {
		return fmt.Errorf("--teacher %s: %w", start.path, err)
	}
	if !o.resume {
		w.note("teacher %s: %s", start.path, start.took)
		for _, n := range start.notes() {
			w.note("note: %s", n)
		}
		if cfg.Model.ReleasedAlignment != run.Model.Net.ReleasedAlignment {
			w.note("note: model.released-alignment is %v, but the teacher's alignment goes on: %v", cfg.Model.ReleasedAlignment, run.Model.Net.ReleasedAlignment)
		}
	}
	if !o.optimizer {
		return nil
	}
	run.Restore = start.restore
	run.Epoch, err = start.file.Epoch()
	return err
}

// model is what the run trains: the teacher with the heads that the configuration asks for, or a network
// that starts from nothing with a vocabulary of the data's own.
func (o *runOptions) model(ctx context.Context, w *watcher, cfg *config.Config, start *teacher, ext *extractor, data *dataset.Data, words *lender) (*model.Model, error) {
	if start != nil {
		m, err := start.Adapted(cfg)
		if err != nil {
			return nil, err
		}
		m.Name, m.Regions, m.RegionFiles = o.name, ext.manifest, withKept(ext.files, start.Model)
		if dim := data.Images.Dim(); dim != m.Net.RegionDim { // Fit tells that the region layer is new
			m.Net.RegionDim, m.Net.DeticIn, m.Net.DeticHidden = dim, 0, 0
		}
		return m, nil
	}
	vocab, err := words.vocabulary(ctx, w, cfg, data, ext.tags)
	if err != nil {
		return nil, err
	}
	m, err := model.New(o.name, cfg, vocab, data.Images.Dim())
	if err != nil {
		return nil, err
	}
	m.Regions, m.RegionFiles = ext.manifest, ext.files
	return m, nil
}

// withTags makes sure that the class names of a detector are words of the vocabulary.
func withTags(texts func(func(string) bool), tags []string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for range tagRepeats {
			for _, t := range tags {
				if !yield(t) {
					return
				}
			}
		}
		texts(yield)
	}
}

// tagRepeats is how often a class name counts, so that it passes min-count.
const tagRepeats = 5

func (o *runOptions) finish(env cli.Env, best *validate.Result) error {
	if o.json {
		return cli.WriteJSON(env.Stdout, map[string]any{"model": filepath.Join(o.out, "model"), "validation": best})
	}
	fmt.Fprintf(env.Stdout, "model: %s\n", filepath.Join(o.out, "model"))
	if best != nil {
		fmt.Fprintf(env.Stdout, "best validation: %s\n", describe(best))
	}
	return nil
}

// A regionData is an opened source, then with its regions.
type regionData struct {
	src   *source.Source
	set   *source.TrainingSet // nil before extract
	split string
}

// open opens a source, which takes no time.
func (o *runOptions) open(ctx context.Context, flags *source.Flags, cfg *config.Config, split string) (*regionData, error) {
	src, err := flags.Open(ctx, &source.Options{Split: split, MaxRegions: cfg.Encoder.MaxRegions, Detection: cfg.DetectionType})
	if err != nil {
		return nil, err
	}
	if split == "train" && o.sentences != "" {
		if len(src.Captions) > 0 {
			return nil, errors.Join(cli.Misuse("--sentences is for photos without captions; %s has %d", src.Name, len(src.Captions)), src.Close())
		}
	} else if len(src.Captions) == 0 {
		prefix := map[string]string{"val": "val-"}[split]
		return nil, errors.Join(cli.Misuse("%s has no captions: name them with --%scaptions, or --%scoco-ir for features", src.Name, prefix, prefix), src.Close())
	}
	return &regionData{src: src, split: split}, nil
}

// extract makes or finds the regions.
func (d *regionData) extract(ctx context.Context, w *watcher, ext *extractor, cache cacheFlags) (err error) {
	opts := &source.TrainingOptions{Dir: ext.dir, Views: ext.views, Cache: cache.dir, CacheLimit: cache.limit(), Progress: w.progress("extracting regions of " + d.split)}
	if d.set, err = source.Training(ctx, d.src, ext.x, opts); err != nil {
		return err
	}
	w.skipped(d.set.Skipped)
	return nil
}

func (d *regionData) close() {
	if d.set != nil {
		d.set.Close()
		return
	}
	d.src.Close()
}

// train is the data set as the trainer sees it.
func (d *regionData) train() *dataset.Data {
	out := &dataset.Data{Images: images{d.set}}
	for _, c := range d.set.Captions {
		out.Captions = append(out.Captions, dataset.Caption{Image: c.Image, Text: c.Text})
	}
	return out
}

// images adapts a TrainingSet to what the trainer asks for.
type images struct{ *source.TrainingSet }

func (m images) Views() []dataset.View {
	views := m.TrainingSet.Views()
	out := make([]dataset.View, len(views))
	for i, v := range views {
		out[i] = dataset.View{Flip: v.Flip}
	}
	return out
}

// regionFiles copies an extractor's files into a bundle.
func regionFiles(dir string, names []string) map[string]func(io.Writer) error {
	files := map[string]func(io.Writer) error{}
	for _, n := range slices.Compact(slices.Sorted(slices.Values(names))) {
		files[n] = bundle.FromFile(filepath.Join(dir, n))
	}
	return files
}
