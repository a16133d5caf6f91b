// Package evalcmd is the command aladin-eval: it reads encodings from a model, an index or a dump, has
// package eval compute the figures, and prints, draws and reports them.
package evalcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/source"
)

const (
	defaultResamples = 1000
	skipsShown       = 10 // of what a source left out; the rest is counted
)

// teller starts to show the progress of a task.
type teller func(what string, total int) *progress.Task

// Program is the command.
var Program = cli.Program{
	Name:  "aladin-eval",
	Hints: published.EvaluationHints,
	Verbs: []cli.Verb{{
		Args: "(--model BUNDLE SOURCE | --embeddings FILE.npz) [options]",
		About: `
Evaluates image–text retrieval in both directions: by matching vectors, by alignment of words with
regions, and by matching re-ranked with alignment.

  aladin-eval --model photos.model --images photos --captions captions.tsv --report report.html
  aladin-eval --model photos.model --scenes 1000 --candidates 10,50,200
  aladin-eval --model photos.model --index photos.aladin --images photos --captions captions.tsv
  aladin-eval --model coco.model --features features --coco-ir coco_ir --split test --protocol 5fold
  aladin-eval --embeddings other-model.npz --json > other.json
  aladin-eval --embeddings mine.npz --compare other.json --report report.html
  aladin-eval --embeddings mine.npz --candidates 10,50,200,1000 --plot trade-off.svg
  aladin-eval --embeddings coco.npz --protocol 5fold --relevance coco-test-spice.npy
`,
		Setup: func(f *cli.Flags) cli.Body {
			o := &options{}
			o.register(f)
			return func(ctx context.Context, env cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Misuse("what is %q? All that aladin-eval takes is options", args[0])
				}
				o.chosen = f.Given("candidates")
				if err := o.settle(); err != nil {
					return err
				}
				return o.evaluate(ctx, env)
			}
		},
	}},
}

// options are the command line.
type options struct {
	settings
	model        modelflags.Flags
	output       cli.Output
	source       source.Flags
	index        string
	captionIndex string
	embeddings   string
	galleryFile  string
	boxes        string
	out          string
	perQuery     string
	compare      string
	dump         string
	dumpTokens   bool
	plot         string
	report       string
	title        string
	candidates   string
	codecs       string
	memoryMB     int
}

// register defines the flags.
func (o *options) register(f *cli.Flags) {
	o.model.Register(f)
	o.output.Register(f)
	f.Group("What to evaluate")
	f.StringVar(&o.index, "index", "", "index `file`, or address in an engine, from which the images are taken, as its codecs left them")
	f.StringVar(&o.captionIndex, "caption-index", "", "index `file` of captions with ids IMAGE#n; with --index, no model is needed")
	f.StringVar(&o.embeddings, "embeddings", "", "encodings in an `.npz`: image_ids, caption_ids, image_matching, caption_matching and, as far as there are, alignment, caption_image, caption_texts, image_tokens with image_counts, caption_tokens with caption_counts, …")
	f.StringVar(&o.galleryFile, "gallery", "", "`file` with the ids of a 1k gallery, one a line (with --protocol 1k; --keys serves too)")
	o.source.Register(f, "")

	f.Group("What to compute")
	f.StringVar(&o.protocol, "protocol", "full", "`gallery`: full; 1k (the images of --keys or --gallery); 5fold (five equal parts, averaged); 5k")
	f.StringVar(&o.candidates, "candidates", strconv.Itoa(index.DefaultCandidates), "`numbers` of candidates that alignment re-ranks, such as 10,50,200; 0 for none")
	f.StringVar(&o.alignment, "alignment", "exhaustive", "`how much` to align: exhaustive (every pair), candidates, none")
	f.StringVar(&o.precision, "align-codec", "f32", "`precision` of alignment: f32 (reference), f16, int8 (fastest)")
	f.IntVar(&o.ndcgAt, "ndcg", 25, "`depth` of nDCG; 0 for none")
	f.StringVar(&o.relevance, "relevance", "", "`.npy` matrix captions × images of graded relevance for nDCG, instead of ROUGE-L")
	f.StringVar(&o.relevant, "relevant", "", "`file` of right pairs for mAP@R and R-Precision: lines of caption id, tab, image id; or .json {caption: [images]}; or .npy")
	f.StringVar(&o.judgments, "judgments", "", "`.tsv` of image, caption (id or text), score by people: rank correlation")
	f.StringVar(&o.boxes, "boxes", "", "`file` of true boxes as COCO's instances_*.json: grounding, the share of words naming an object whose best region finds it")
	f.StringVar(&o.ties, "ties", "index", "`rule` for a wrong answer with the very score of the right one: index (the lower index comes first) or optimistic (it does not count)")
	f.IntVar(&o.resamples, "bootstrap", defaultResamples, "`resamples` for the 95 % intervals; 0 for none")
	f.Uint64Var(&o.seed, "bootstrap-seed", 1, "`seed` of the resampling")
	f.IntVar(&o.latency, "latency", 100, "`queries` to time; 0 for none")
	f.StringVar(&o.codecs, "index-codec", "", "`codecs` to tabulate, such as int8,bits or all: recall, bytes and speed of each")
	f.IntVar(&o.memoryMB, "memory", 1024, "`MiB` that score matrices may take; beyond it they go to a temporary file")
	f.StringVar(&o.state, "state", "", "`file` that keeps alignment scores, so that an interrupted run goes on where it was")

	f.Group("What to leave behind")
	f.StringVar(&o.out, "out", "", "also write the JSON document to this `file`")
	f.StringVar(&o.perQuery, "per-query", "", "write a JSON line for every query to this `file`")
	f.StringVar(&o.compare, "compare", "", "compare with the JSON document of another run (`file`): paired differences, intervals, p-values")
	f.StringVar(&o.plot, "plot", "", "draw rsum against ms a query and recall curves: `file` .svg or .png")
	f.StringVar(&o.report, "report", "", "write one self-contained HTML page to this `file`")
	f.StringVar(&o.title, "title", "", "`title` of the report")
	f.StringVar(&o.dump, "dump", "", "write encodings and scores to this `.npz`")
	f.BoolVar(&o.dumpTokens, "dump-tokens", false, "put the word and region vectors into the dump too")
}

// settle finds out what the flags mean, without looking at any file.
func (o *options) settle() error {
	for _, part := range strings.Split(o.candidates, ",") {
		k, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || k < 0 {
			return cli.Misuse("--candidates %q: want numbers with commas between", o.candidates)
		}
		if k > 0 {
			o.settings.candidates = append(o.settings.candidates, k)
		}
	}
	if o.codecs != "" {
		for _, part := range strings.Split(o.codecs, ",") {
			o.settings.codecs = append(o.settings.codecs, strings.TrimSpace(part))
		}
	}
	if err := checkCodecs(o.settings.codecs); err != nil {
		return err
	}
	oneOf := func(name, value string, of ...string) error {
		for _, x := range of {
			if x == value {
				return nil
			}
		}
		return cli.Misuse("--%s %q: want %s", name, value, strings.Join(of, ", "))
	}
	for _, err := range []error{
		oneOf("protocol", o.protocol, "full", "1k", "5fold", "5k"),
		oneOf("alignment", o.alignment, "exhaustive", "candidates", "none"),
		oneOf("ties", o.ties, "index", optimistic),
		oneOf("align-codec", o.precision, "f32", "f16", "int8"),
	} {
		if err != nil {
			return err
		}
	}
	for name, v := range map[string]int{"bootstrap": o.resamples, "latency": o.latency, "ndcg": o.ndcgAt, "threads": o.model.Threads, "memory": o.memoryMB} {
		if v < 0 {
			return cli.Misuse("--%s %d", name, v)
		}
	}
	if o.plot != "" && !strings.HasSuffix(o.plot, ".svg") && !strings.HasSuffix(o.plot, ".png") {
		return cli.Misuse("--plot %s: want a name that ends in .svg or .png", o.plot)
	}
	if err := o.checkSource(); err != nil {
		return err
	}
	if o.state == "" && o.dump != "" && o.alignment == "exhaustive" {
		o.state = o.dump + ".state"
	}
	o.threads = o.model.Threads
	o.everyPair = o.dump != ""
	o.memory = int64(o.memoryMB) << 20
	return nil
}

// checkSource settles where encodings come from.
func (o *options) checkSource() error {
	switch {
	case o.embeddings != "":
		if o.model.Dir != "" || o.index != "" || o.captionIndex != "" {
			return cli.Misuse("--embeddings needs no --model and no index")
		}
		if o.galleryFile == "" {
			o.galleryFile = o.source.Keys
		}
		return nil
	case o.captionIndex != "":
		if o.index == "" || o.model.Dir != "" {
			return cli.Misuse("--caption-index goes with --index and without --model")
		}
		return nil
	case o.model.Dir == "":
		return cli.Misuse("what is to be evaluated? Give --model BUNDLE with a source, --index with --caption-index, or --embeddings FILE.npz. %s", modelflags.Hint)
	}
	if o.protocol == "1k" && o.source.Features != "" && o.source.Keys == "" && o.galleryFile == "" {
		o.source.Keys = "test_img_keys_1k.tsv"
	}
	if err := o.source.Check(); err != nil {
		return cli.Misuse("%w", err)
	}
	if o.source.Images != "" && o.source.Captions == "" {
		return cli.Misuse("--images needs --captions FILE.tsv: without captions nothing can be evaluated")
	}
	if o.source.Features != "" && o.source.CocoIR == "" {
		return cli.Misuse("--features needs --coco-ir DIR: without captions nothing can be evaluated")
	}
	return nil
}

func (o *options) evaluate(ctx context.Context, env cli.Env) (err error) {
	tell := teller(func(what string, total int) *progress.Task { return o.output.Task(env, what, total) })
	if err := o.checkFiles(); err != nil {
		return err
	}
	if o.galleryFile != "" {
		if o.gallery, err = readList(o.galleryFile); err != nil {
			return err
		}
	}
	var boxes boxesOf
	if o.boxes != "" {
		if boxes, err = readBoxes(o.boxes); err != nil {
			return err
		}
	}
	d, err := o.open(ctx, env, tell)
	if err != nil {
		return err
	}
	if o.protocol == "1k" && o.gallery == nil && o.source.Keys != "" {
		o.gallery = d.images // the source took only those that its list names
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if boxes != nil {
		boxes.mention(d)
	}
	e := &evaluation{settings: &o.settings, d: d, tell: tell}
	if err := e.compute(ctx); err != nil {
		return err
	}
	if o.compare != "" {
		if err := e.compareWith(ctx, o.compare); err != nil {
			return err
		}
	}
	if err := o.leave(ctx, e); err != nil {
		return err
	}
	if o.output.JSON {
		return e.doc.write(env.Stdout)
	}
	e.doc.table(env.Stdout)
	return nil
}

// checkFiles finds out before the work whether its results can be written, and compared.
func (o *options) checkFiles() error {
	for _, path := range []string{o.out, o.perQuery, o.plot, o.report, o.dump, o.state} {
		if path == "" {
			continue
		}
		if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
			return fmt.Errorf("%s: there is no folder %s", path, filepath.Dir(path))
		}
	}
	if o.compare != "" {
		_, err := readQueries(o.compare)
		return err
	}
	return nil
}

// open reads or makes what is to be evaluated.
func (o *options) open(ctx context.Context, env cli.Env, tell teller) (*data, error) {
	switch {
	case o.embeddings != "":
		d, err := readDump(o.embeddings)
		if err == nil {
			err = o.addPhotos(d)
		}
		return d, err
	case o.captionIndex != "":
		d, err := readIndexes(ctx, o.index, o.captionIndex, tell)
		if err == nil {
			err = o.addPhotos(d)
		}
		return d, err
	}
	m, err := o.model.Open(&aladin.Options{CacheTexts: -1})
	if err != nil {
		return nil, err
	}
	mode, err := alignmentMode(modelflags.Find(o.model.Dir))
	if err == nil && o.index != "" && !mode.MaxSim() && o.alignment != "none" {
		err = cli.Misuse("--index %s: an index aligns each word with its best region, and this model aligns by %s: evaluate it without --index, or with --alignment none", o.index, mode)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	src, err := o.source.Open(ctx, &source.Options{Split: "test", MaxRegions: m.Info().MaxRegions, Dim: m.Info().RegionDim})
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if p := src.Passed.String(); p != "" {
		fmt.Fprintln(env.Stderr, p)
	}
	if err := src.Skipped.Report(env.Stderr, skipsShown); err != nil {
		return nil, errors.Join(err, src.Close(), m.Close())
	}
	var ix index.Searcher
	if o.index != "" {
		if ix, err = aladin.OpenIndex(ctx, o.index, nil); err != nil {
			return nil, errors.Join(err, src.Close(), m.Close())
		}
	}
	names, err := named(ctx, src, ix)
	if err == nil {
		_, err = o.readTruths(names)
	}
	if err != nil {
		if ix != nil {
			err = errors.Join(err, ix.Close())
		}
		return nil, errors.Join(err, src.Close(), m.Close())
	}
	d, err := encode(ctx, m, src, ix, o.latency, tell)
	if err != nil {
		return nil, err
	}
	d.mode = mode
	if err := d.calibrated(o.model.Dir); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// alignmentMode is how a model was trained to align.
func alignmentMode(dir string) (align.Mode, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return align.Mode{}, err
	}
	return align.ParseMode(b.Manifest.Alignment, b.Manifest.Quirks.NullRegion)
}

// addPhotos lets the report show the photos of --images.
func (o *options) addPhotos(d *data) error {
	if o.source.Images == "" {
		return nil
	}
	root, err := os.OpenRoot(o.source.Images) // ids cannot lead out of the folder
	if err != nil {
		return err
	}
	d.photo = func(i int) (*picture.File, error) {
		f, err := root.Open(filepath.FromSlash(d.images[i]))
		if err != nil {
			return nil, err
		}
		p, err := picture.Open(f, nil)
		if err != nil {
			f.Close()
		}
		return p, err
	}
	d.close = append(d.close, root.Close)
	return nil
}

// leave writes the files that were asked for.
func (o *options) leave(ctx context.Context, e *evaluation) error {
	if o.dump != "" {
		if err := writeDump(o.dump, e.d, e.exact, o.dumpTokens); err != nil {
			return err
		}
		// The scores are in the dump now; the file to resume from has done its work.
		if own := o.dump + ".state"; o.state == own && e.exhausted != nil {
			if err := os.Remove(own); err != nil {
				return err
			}
		}
	}
	if o.perQuery != "" {
		if err := e.writePerQuery(o.perQuery); err != nil {
			return err
		}
	}
	if o.plot != "" {
		if err := e.draw(o.plot); err != nil {
			return err
		}
	}
	if o.report != "" {
		if err := e.writeReport(ctx, o.report, o.title); err != nil {
			return err
		}
	}
	if o.out != "" {
		return atomicfile.Write(o.out, e.doc.write)
	}
	return nil
}
