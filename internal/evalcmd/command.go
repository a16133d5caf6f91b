// Package evalcmd is the command aladin-eval: it reads encodings from a model, an index or a dump, has
// package eval compute the figures, and prints, draws and reports them.
package evalcmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	aladin "github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/source"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitMisused     = 2
	exitInterrupted = 130
)

const (
	defaultResamples  = 1000
	defaultCandidates = "200"
	skipsShown        = 10 // of what a source left out; the rest is counted
)

// errUsage is the class of errors that a better command line would not have.
var errUsage = errors.New("misused")

// teller starts to show the progress of a task.
type teller func(what string, total int) *progress.Task

const usage = `Usage: aladin-eval (--model BUNDLE SOURCE | --embeddings FILE.npz) [options]

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

What to evaluate
%s
What to compute
%s
What to leave behind
%s
Exit status: 0 done, 1 failed, 2 misused, 130 interrupted.
`

// options are the command line.
type options struct {
	settings
	model        string
	device       string
	int8Text     bool
	source       source.Flags
	index        string
	captionIndex string
	embeddings   string
	galleryFile  string
	json         bool
	quiet        bool
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

// Main runs the command and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main with everything from outside given.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o := &options{}
	groups, err := o.parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, usage, groups[0], groups[1], groups[2])
		return exitDone
	case err == nil:
		err = o.run(ctx, stdout, stderr)
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "aladin-eval: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "aladin-eval: %v\n", err)
	if errors.Is(err, errUsage) || errors.Is(err, source.ErrUsage) {
		fmt.Fprintln(stderr, "Try aladin-eval --help.")
		return exitMisused
	}
	return exitFailed
}

// parse reads the command line; it also returns the help of the three groups of flags.
func (o *options) parse(args []string) (help [3]string, err error) {
	f := flag.NewFlagSet("aladin-eval", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	group := map[string]int{}
	at := 0
	add := func(name string) { group[name] = at }
	text := func(p *string, name, value, help string) { f.StringVar(p, name, value, help); add(name) }
	number := func(p *int, name string, value int, help string) { f.IntVar(p, name, value, help); add(name) }
	yes := func(p *bool, name, help string) { f.BoolVar(p, name, false, help); add(name) }

	text(&o.model, "model", "", "`bundle` that encodes the source")
	text(&o.device, "device", "", "`device` to encode on: cpu, cuda, cuda:N or auto")
	yes(&o.int8Text, "int8-text", "encode captions with products of bytes, as aladin-index --int8-text does")
	text(&o.index, "index", "", "index `file` from which the images are taken, as its codecs left them")
	text(&o.captionIndex, "caption-index", "", "index `file` of captions with ids IMAGE#n; with --index, no model is needed")
	text(&o.embeddings, "embeddings", "", "encodings in an `.npz`: image_ids, caption_ids, image_matching, caption_matching and, as far as there are, alignment, caption_image, caption_texts, image_tokens with image_counts, caption_tokens with caption_counts, …")
	text(&o.galleryFile, "gallery", "", "`file` with the ids of a 1k gallery, one a line (with --protocol 1k; --keys serves too)")
	o.source.Register(f, "")

	at = 1
	text(&o.protocol, "protocol", "full", "`gallery`: full; 1k (the images of --keys or --gallery); 5fold (five equal parts, averaged); 5k")
	text(&o.candidates, "candidates", defaultCandidates, "`numbers` of candidates that alignment re-ranks, such as 10,50,200; 0 for none")
	text(&o.alignment, "alignment", "exhaustive", "`how much` to align: exhaustive (every pair), candidates, none")
	text(&o.precision, "align-codec", "f32", "`precision` of alignment: f32 (reference), f16, int8 (fastest)")
	number(&o.ndcgAt, "ndcg", 25, "`depth` of nDCG; 0 for none")
	text(&o.relevance, "relevance", "", "`.npy` matrix captions × images of graded relevance for nDCG, instead of ROUGE-L")
	text(&o.relevant, "relevant", "", "`file` of right pairs for mAP@R and R-Precision: lines of caption id, tab, image id; or .json {caption: [images]}; or .npy")
	text(&o.judgments, "judgments", "", "`.tsv` of image, caption (id or text), score by people: rank correlation")
	number(&o.resamples, "bootstrap", defaultResamples, "`resamples` for the 95 % intervals; 0 for none")
	f.Uint64Var(&o.seed, "bootstrap-seed", 1, "`seed` of the resampling")
	add("bootstrap-seed")
	number(&o.latency, "latency", 100, "`queries` to time; 0 for none")
	text(&o.codecs, "index-codec", "", "`codecs` to tabulate, such as int8,bits or all: recall, bytes and speed of each")
	number(&o.threads, "threads", 0, "`number` of threads; 0 for one a core. Figures do not depend on it")
	number(&o.memoryMB, "memory", 1024, "`MiB` that score matrices may take; beyond it they go to a temporary file")
	text(&o.state, "state", "", "`file` that keeps alignment scores, so that an interrupted run goes on where it was")

	at = 2
	yes(&o.json, "json", "print one JSON document instead of a table")
	text(&o.out, "out", "", "also write the JSON document to this `file`")
	text(&o.perQuery, "per-query", "", "write a JSON line for every query to this `file`")
	text(&o.compare, "compare", "", "compare with the JSON document of another run (`file`): paired differences, intervals, p-values")
	text(&o.plot, "plot", "", "draw rsum against ms a query and recall curves: `file` .svg or .png")
	text(&o.report, "report", "", "write one self-contained HTML page to this `file`")
	text(&o.title, "title", "", "`title` of the report")
	text(&o.dump, "dump", "", "write encodings and scores to this `.npz`")
	yes(&o.dumpTokens, "dump-tokens", "put the word and region vectors into the dump too")
	yes(&o.quiet, "quiet", "no progress")

	var texts [3]strings.Builder
	f.VisitAll(func(x *flag.Flag) {
		name, help := flag.UnquoteUsage(x)
		fmt.Fprintf(&texts[group[x.Name]], "  --%s %s\n      %s", x.Name, strings.ToUpper(name), help)
		if x.DefValue != "" && x.DefValue != "0" && x.DefValue != "false" {
			fmt.Fprintf(&texts[group[x.Name]], " (%s)", x.DefValue)
		}
		texts[group[x.Name]].WriteString("\n")
	})
	for k := range texts {
		help[k] = texts[k].String()
	}
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return help, err
		}
		return help, fmt.Errorf("%w: %w", errUsage, err)
	}
	if f.NArg() > 0 {
		return help, fmt.Errorf("%w: %q follows the flags", errUsage, f.Arg(0))
	}
	f.Visit(func(x *flag.Flag) {
		if x.Name == "candidates" {
			o.chosen = true
		}
	})
	return help, o.check()
}

// check settles what the flags mean, without looking at any file.
func (o *options) check() error {
	for _, part := range strings.Split(o.candidates, ",") {
		k, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || k < 0 {
			return fmt.Errorf("%w: --candidates %q: want numbers with commas between", errUsage, o.candidates)
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
	one := func(name, value string, of ...string) error {
		for _, x := range of {
			if x == value {
				return nil
			}
		}
		return fmt.Errorf("%w: --%s %q: want %s", errUsage, name, value, strings.Join(of, ", "))
	}
	for _, err := range []error{
		one("protocol", o.protocol, "full", "1k", "5fold", "5k"),
		one("alignment", o.alignment, "exhaustive", "candidates", "none"),
		one("align-codec", o.precision, "f32", "f16", "int8"),
	} {
		if err != nil {
			return err
		}
	}
	for name, v := range map[string]int{"bootstrap": o.resamples, "latency": o.latency, "ndcg": o.ndcgAt, "threads": o.threads, "memory": o.memoryMB} {
		if v < 0 {
			return fmt.Errorf("%w: --%s %d", errUsage, name, v)
		}
	}
	if o.plot != "" && !strings.HasSuffix(o.plot, ".svg") && !strings.HasSuffix(o.plot, ".png") {
		return fmt.Errorf("%w: --plot %s: want a name that ends in .svg or .png", errUsage, o.plot)
	}
	if err := o.checkSource(); err != nil {
		return err
	}
	if o.state == "" && o.dump != "" && o.alignment == "exhaustive" {
		o.state = o.dump + ".state"
	}
	o.everyPair = o.dump != ""
	o.memory = int64(o.memoryMB) << 20
	return nil
}

// checkSource settles where encodings come from.
func (o *options) checkSource() error {
	switch {
	case o.embeddings != "":
		if o.model != "" || o.index != "" || o.captionIndex != "" {
			return fmt.Errorf("%w: --embeddings needs no --model and no index", errUsage)
		}
		if o.galleryFile == "" {
			o.galleryFile = o.source.Keys
		}
		return nil
	case o.captionIndex != "":
		if o.index == "" || o.model != "" {
			return fmt.Errorf("%w: --caption-index goes with --index and without --model", errUsage)
		}
		return nil
	case o.model == "":
		return fmt.Errorf("%w: what is to be evaluated? Give --model BUNDLE with a source, --index with --caption-index, or --embeddings FILE.npz", errUsage)
	}
	if o.protocol == "1k" && o.source.Features != "" && o.source.Keys == "" && o.galleryFile == "" {
		o.source.Keys = "test_img_keys_1k.tsv"
	}
	if err := o.source.Check(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if o.source.Images != "" && o.source.Captions == "" {
		return fmt.Errorf("%w: --images needs --captions FILE.tsv: without captions nothing can be evaluated", errUsage)
	}
	if o.source.Features != "" && o.source.CocoIR == "" {
		return fmt.Errorf("%w: --features needs --coco-ir DIR: without captions nothing can be evaluated", errUsage)
	}
	return nil
}

func (o *options) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	tell := teller(func(what string, total int) *progress.Task { return progress.New(stderr, what, total) })
	if o.quiet {
		tell = func(string, int) *progress.Task { return nil }
	}
	if o.galleryFile != "" {
		if o.gallery, err = readList(o.galleryFile); err != nil {
			return err
		}
	}
	d, err := o.open(ctx, stderr, tell)
	if err != nil {
		return err
	}
	if o.protocol == "1k" && o.gallery == nil && o.source.Keys != "" {
		o.gallery = d.images // the source took only those that its list names
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	e := &evaluation{settings: &o.settings, d: d, tell: tell}
	if err := e.run(ctx); err != nil {
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
	if o.json {
		return e.doc.write(stdout)
	}
	e.doc.table(stdout)
	return nil
}

// open reads or makes what is to be evaluated.
func (o *options) open(ctx context.Context, stderr io.Writer, tell teller) (*data, error) {
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
	m, err := aladin.OpenModel(o.model, &aladin.Options{Device: o.device, Threads: o.threads, Int8Text: o.int8Text, CacheTexts: -1})
	if err != nil {
		return nil, err
	}
	src, err := o.source.Open(ctx, &source.Options{Split: "test", MaxRegions: m.MaxRegions(), Dim: m.RegionDim()})
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if err := src.Skipped.Report(stderr, skipsShown); err != nil {
		return nil, errors.Join(err, src.Close(), m.Close())
	}
	var ix *index.Index
	if o.index != "" {
		if ix, err = index.Open(o.index, nil); err != nil {
			return nil, errors.Join(err, src.Close(), m.Close())
		}
		defer ix.Close()
	}
	d, err := encode(ctx, m, src, ix, o.latency, tell)
	if err == nil && ix != nil {
		err = d.measureIndex(ctx, ix)
	}
	return d, err
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
	d.photo = func(i int) ([]byte, error) { return root.ReadFile(filepath.FromSlash(d.images[i])) }
	d.close = append(d.close, root.Close)
	return nil
}

// leave writes the files that were asked for.
func (o *options) leave(_ context.Context, e *evaluation) error {
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
		if err := e.writeReport(o.report, o.title); err != nil {
			return err
		}
	}
	if o.out != "" {
		return writeFile(o.out, e.doc.write)
	}
	return nil
}
