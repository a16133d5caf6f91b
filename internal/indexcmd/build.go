package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/follow"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/source"
)

var buildVerb = cli.Verb{
	Name: "build", Args: "--model BUNDLE SOURCE --out FILE [options]", Summary: "make an index of pictures or captions",
	About: `
Encodes the pictures (or captions) of a source and writes an index file. The file appears when it is
complete; an older one of that name stays until then. The same input gives the same bytes. Interrupted, it leaves
nothing, or, with --resume, FILE.part, with which the same command goes on.

A source is one of
  --images DIR [--captions FILE.tsv]
  --features DIR --coco-ir DIR --split PART [--keys FILE]
  --scenes N [--seed S]

Many machines build one index: each a part, with --part 1/8, --part 2/8 …, which merge then makes one file of. An item's
part follows from its id alone.

Pictures that cannot be read are left out and named. From 200,000 items on the finished index is arranged in
cells, which make searches faster, as compact does; interrupted there, it stays complete without them.

  aladin-index build --model photos.model --images ~/Photos --out photos.aladin
  aladin-index build --model photos.model --images ~/Photos --tags tags.tsv --regions 2bit --out small.aladin
  aladin-index build --model photos.model --images ~/Photos --match bits --no-rescore --regions 2bit --out tiny.aladin
  aladin-index build --model photos.model --images ~/Photos --captions captions.tsv --items captions --out captions.aladin
  aladin-index build --model photos.model --images ~/Photos --part 3/8 --resume --out part-3.aladin
`,
	Setup: func(f *cli.Flags) cli.Body {
		b := &building{}
		b.register(f)
		f.StringVar(&b.out, "out", "", "index `file` to make")
		f.StringVar(&b.partFlag, "part", "", "encode `I/N` of the items only, part I of N, for merge (I counts from 1; 0 is another name of N)")
		f.BoolVar(&b.resume, "resume", false, "go on with what the same command, interrupted, left in FILE.part; a part that is there is not built again")
		b.codecs.register(f, "int8")
		return b.build
	},
}

var addVerb = cli.Verb{
	Name: "add", Args: "FILE --model BUNDLE SOURCE [options]", Summary: "add to an index what is not in it yet",
	About: `
Encodes those pictures (or captions) of a source that the index does not have and adds them. It costs what
is added, whatever the index's size, but that an index which outgrows its cells (at 200,000 items, and each
time it is four times as large) is arranged again as compact does. Interrupted, it keeps what is done; run it
again for the rest.

  aladin-index add photos.aladin --model photos.model --images ~/Photos
  aladin-index add photos.aladin --model photos.model --images ~/Edited --replace
`,
	Setup: func(f *cli.Flags) cli.Body {
		b := &building{}
		b.register(f)
		f.BoolVar(&b.replace, "replace", false, "encode again what is in the index, and replace it; tags and metadata stay, unless new ones are given")
		return b.add
	},
}

// building is what build and add have in common.
type building struct {
	source   source.Flags
	model    modelflags.Flags
	tell     cli.Output
	items    string
	tagsFile string
	metaFile string

	cells  int
	noLock bool

	out      string // build
	codecs   codecs
	partFlag string
	resume   bool
	replace  bool // add
}

func (b *building) register(f *cli.Flags) {
	b.source.Register(f, "")
	b.model.Register(f)
	b.tell.Register(f)
	f.StringVar(&b.items, "items", "images", "`what` to index: images or captions")
	f.StringVar(&b.tagsFile, "tags", "", "`file` of lines: id <tab> tag")
	f.StringVar(&b.metaFile, "meta", "", "`file` of JSON lines, each with an \"id\": stored with the items")
	f.Group(cli.Advanced)
	f.IntVar(&b.cells, "cells", 0, "`number` of cells to arrange the index in; 0 chooses by size, -1 makes none")
	noLockVar(f, &b.noLock)
}

// A job is an opened source, model and tables.
type job struct {
	*building
	env    cli.Env
	src    *source.Source
	m      *aladin.Model
	tables *tables
	// replaced: the index took the place of another
	replaced bool
	entries  []entry
	skipped  source.Skips
	damaged  damaged
	cut      int // texts that the model did not read to their ends
}

// damaged collects photos that were used although a part of them is missing.
type damaged struct {
	mu  sync.Mutex
	all []skipped
}

func (d *damaged) add(input, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, skipped{"photo", input, what})
}

func (b *building) open(ctx context.Context, env cli.Env) (_ *job, err error) {
	if b.items != "images" && b.items != "captions" {
		return nil, cli.Misuse("--items %q: want images or captions", b.items)
	}
	if err := b.source.Check(); err != nil {
		return nil, err
	}
	j := &job{building: b, env: env}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.close())
		}
	}()
	if j.m, err = b.model.Open(&aladin.Options{Damaged: j.damaged.add, Reproducible: b.out != ""}); err != nil {
		return nil, err
	}
	opts := &source.Options{Split: "test", MaxRegions: j.m.Info().MaxRegions}
	if !j.m.Info().Pixels {
		opts.Dim = j.m.Info().RegionDim
	}
	if j.src, err = b.source.Open(ctx, opts); err != nil {
		return nil, err
	}
	j.skipped = j.src.Skipped
	if j.tables, err = readTables(ctx, b.tagsFile, b.metaFile); err != nil {
		return nil, err
	}
	j.skipped = append(j.skipped, j.tables.skipped...)
	if j.entries, err = entries(j.src, b.items == "captions"); err != nil {
		return nil, err
	}
	j.tables.match(j.entries)
	return j, nil
}

func (j *job) close() error {
	var errs []error
	if j.src != nil {
		errs = append(errs, j.src.Close())
	}
	if j.m != nil {
		errs = append(errs, j.m.Close())
	}
	return errors.Join(errs...)
}

// encode hands all items to add.
func (j *job) encode(ctx context.Context, add func(context.Context, index.Item) error) error {
	task := j.tell.Task(j.env, "encoding "+j.items, len(j.entries))
	defer task.Done()
	skip := func(s source.Skip) {
		j.skipped = append(j.skipped, s)
		task.Add(1)
	}
	for item, err := range items(ctx, j.m, j.entries, j.tables, skip) {
		if err == nil {
			err = add(ctx, item)
		}
		if errors.Is(err, index.ErrInvalid) || errors.Is(err, index.ErrDuplicate) {
			skip(source.Skip{What: "item", ID: item.ID, Name: fmt.Sprintf("%q", item.ID), Err: err})
			continue
		}
		if err != nil {
			return err
		}
		if item.Encoding.Unread > 0 {
			j.cut++
		}
		task.Add(1)
	}
	return ctx.Err()
}

func (b *building) build(ctx context.Context, env cli.Env, args []string) (err error) {
	if len(args) > 0 {
		return cli.Misuse("%q is no option; the index is named by --out", args[0])
	}
	if b.out == "" {
		return cli.Misuse("--out which FILE?")
	}
	opts := &index.BuildOptions{Duplicates: index.SkipDuplicate, NoLock: b.noLock}
	if err := b.codecs.set(opts); err != nil {
		return err
	}
	share, err := b.share(opts)
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Dir(b.out)); err != nil || !info.IsDir() {
		return fmt.Errorf("--out %s: there is no folder %s", b.out, filepath.Dir(b.out))
	}
	replaced, err := replaces(b.out)
	if err != nil {
		return err
	}
	j, err := b.open(ctx, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	j.replaced = replaced
	opts.Model = j.m.Fingerprint()
	// In order of id, because merge cannot know another one.
	slices.SortStableFunc(j.entries, func(a, b entry) int { return strings.Compare(a.id, b.id) })
	if err := share.choose(j); err != nil {
		return err
	}
	if b.resume && b.partFlag != "" {
		made, err := share.made(ctx, b.out, opts)
		if made || err != nil {
			j.replaced = false
			return errors.Join(err, j.report(ctx, b.out, index.Stats{Skipped: len(j.entries)}))
		}
	}
	if b.items == "images" && (opts.Match == index.Bits || b.partFlag != "" && share.Part == 1) {
		if opts.QueryMean, err = meanOfCaptions(ctx, j.m, j.src); err != nil {
			return err
		}
		share.QueryMean = elem.Bytes(opts.QueryMean)
	}
	run := j.make
	if b.resume {
		run = j.makeResumable
	}
	stats, err := run(ctx, opts, share)
	if err != nil {
		return err
	}
	var arranged error
	if b.partFlag == "" {
		arranged = arrangeFile(ctx, env, &b.tell, b.out, b.cells, b.noLock)
	}
	return errors.Join(j.report(ctx, b.out, stats), arranged)
}

// make encodes the items into a new file.
func (j *job) make(ctx context.Context, opts *index.BuildOptions, share *part) (stats index.Stats, err error) {
	w, err := index.NewBuilder(j.out, opts)
	if err != nil {
		if errors.Is(err, index.ErrInvalid) {
			err = cli.Misuse("%w", err)
		}
		return stats, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := j.encode(ctx, w.Add); err != nil {
		return stats, err
	}
	stats = w.Stats()
	if j.partFlag == "" && stats.Added == 0 {
		return stats, j.nothing()
	}
	if j.partFlag != "" {
		share.Skipped = len(j.skipped)
		if err := w.SetState(share.state()); err != nil {
			return stats, err
		}
	}
	return stats, w.Finish(ctx)
}

// replaces says whether an index will be replaced by one at path. Anything else that is there stays there.
func replaces(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Mode().IsRegular() && info.Size() == 0:
		return false, nil
	}
	ix, err := index.Open(path, nil)
	if err == nil {
		return true, ix.Close()
	}
	if errors.Is(err, index.ErrCorrupt) || errors.Is(err, index.ErrVersion) {
		return true, nil // what is left of one
	}
	return false, fmt.Errorf("--out %s: something else is there, which is not overwritten; name another file: %w", path, err)
}

// arrangeFile is arrange for an index that was just made.
func arrangeFile(ctx context.Context, env cli.Env, tell *cli.Output, file string, cells int, noLock bool) (err error) {
	w, err := index.OpenWriter(file, &index.BuildOptions{NoLock: noLock})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return arrange(ctx, env, tell, file, w, cells)
}

// arrange gives a committed index the cells that it should have. Whatever happens, the index stays complete.
func arrange(ctx context.Context, env cli.Env, tell *cli.Output, file string, w *index.Writer, cells int) error {
	if cells < 0 || cells == 0 && !w.Outgrown() {
		return nil
	}
	task := tell.Task(env, "arranging cells", 0)
	err := w.Compact(ctx, &index.CompactOptions{Cells: cells, Progress: task.Set})
	task.Done()
	if err != nil {
		fmt.Fprintf(env.Stderr, "%s is complete, but not arranged in cells: compact does that later, --cells -1 does without\n", file)
	}
	return err
}

// nothing is the error of a job in which every item was left out.
func (j *job) nothing() error {
	return errors.Join(fmt.Errorf("nothing to index in %s", j.src.Name), j.skipped.Report(j.env.Stderr, shownSkips))
}

func (b *building) add(ctx context.Context, env cli.Env, args []string) (err error) {
	file, err := indexFile(args)
	if err != nil {
		return err
	}
	j, err := b.open(ctx, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	old, err := index.Open(file, &index.Options{Model: j.m.Fingerprint()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	there, err := known(ctx, old)
	if err != nil {
		return err
	}
	total := len(j.entries)
	opts := &index.BuildOptions{Model: j.m.Fingerprint(), Duplicates: index.SkipDuplicate, NoLock: b.noLock}
	if b.replace {
		opts.Duplicates = index.ReplaceDuplicate
	} else {
		kept := j.entries[:0]
		others := 0
		for _, e := range j.entries {
			state, ok := there[e.id]
			switch {
			case !ok:
				kept = append(kept, e)
			case e.file != "" && follow.Differs(state, e.file):
				others++
			}
		}
		j.entries = kept
		if others > 0 {
			fmt.Fprintf(env.Stderr, "%d photos are there that are not these; if they changed, sync or --replace takes these; photos of another folder need a name: aladin-index sync %s --images NAME=%s\n",
				others, file, b.source.Images)
		}
	}
	w, err := index.OpenWriter(file, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	whole := context.WithoutCancel(ctx) // interrupted, it keeps what is encoded
	encodeErr := j.encode(ctx, func(_ context.Context, it index.Item) error {
		if err := keepFields(whole, old, there, &it); err != nil {
			return err
		}
		return w.Add(whole, it)
	})
	if encodeErr != nil && !errors.Is(encodeErr, context.Canceled) {
		return encodeErr
	}
	if err := w.Commit(whole); err != nil {
		return err
	}
	stats := w.Stats()
	stats.Skipped += total - len(j.entries)
	if encodeErr != nil {
		fmt.Fprintf(env.Stderr, "added %d of %d; run the command again for the rest\n", stats.Added, len(j.entries))
		return encodeErr
	}
	arranged := arrange(ctx, env, &b.tell, file, w, b.cells)
	return errors.Join(j.report(ctx, file, stats), arranged)
}

// known are the ids in an index, and the states of their items.
func known(ctx context.Context, ix *index.Index) (map[string][]byte, error) {
	ids := make(map[string][]byte, ix.Len())
	for it, err := range ix.States(ctx) {
		if err != nil {
			return nil, err
		}
		ids[it.ID] = it.State
	}
	return ids, nil
}

// keepFields gives an item that takes the place of another that one's tags and metadata, unless it has its own.
func keepFields(ctx context.Context, old *index.Index, there map[string][]byte, it *index.Item) error {
	if _, ok := there[it.ID]; !ok {
		return nil
	}
	f, err := old.Fields(ctx, it.ID)
	if err != nil {
		return err
	}
	if len(it.Tags) == 0 {
		it.Tags = f.Tags
	}
	if len(it.Meta) == 0 {
		it.Meta = f.Meta
	}
	return nil
}

// report says what was done.
func (j *job) report(ctx context.Context, file string, stats index.Stats) error {
	info, err := infoOf(context.WithoutCancel(ctx), file) // an interrupted job reports what it did
	if err != nil {
		return err
	}
	if j.tell.JSON {
		return cli.WriteJSON(j.env.Stdout, struct {
			File     string `json:"file"`
			Added    int    `json:"added"`
			Replaced int    `json:"replaced"`
			Present  int    `json:"present"`        // left alone, because they are in the index
			Part     string `json:"part,omitempty"` // I/N
			*index.Info
			Skipped []skipped      `json:"skipped"`
			Damaged []skipped      `json:"damaged,omitempty"` // and used
			Cut     int            `json:"cut,omitempty"`     // texts that the model did not read to their ends
			Passed  *source.Passed `json:"passed,omitempty"`  // what the folder holds besides photos
		}{file, stats.Added, stats.Replaced, stats.Skipped, j.partFlag, info, skips(j.skipped), j.damaged.all, j.cut, j.src.Passed})
	}
	if err := j.skipped.Report(j.env.Stderr, shownSkips); err != nil {
		return err
	}
	if n := len(j.damaged.all); n > 0 {
		fmt.Fprintf(j.env.Stderr, "damaged, and used as far as they go: %d\n", n)
		for _, d := range j.damaged.all[:min(n, shownSkips)] {
			fmt.Fprintf(j.env.Stderr, "  %s: %s\n", d.Name, d.Reason)
		}
	}
	if j.cut > 0 {
		fmt.Fprintf(j.env.Stderr, "longer than the model reads, so that their ends do not count: %d %s\n", j.cut, j.items)
	}
	if p := j.src.Passed.String(); p != "" {
		fmt.Fprintln(j.env.Stderr, p)
	}
	if s := j.tables.unused(); s != "" {
		fmt.Fprintln(j.env.Stderr, s)
	}
	note := ""
	if j.replaced {
		note = " (another index was replaced)"
	}
	if stats.Replaced > 0 {
		note += fmt.Sprintf(" (%d replaced)", stats.Replaced)
	}
	if stats.Skipped > 0 {
		note += fmt.Sprintf(" (%d were there)", stats.Skipped)
	}
	fmt.Fprintf(j.env.Stdout, "%s: %d added%s; %d items, %s, %.0f bytes an item\n", file, stats.Added, note, info.Items, size(info.Bytes), info.BytesPerItem)
	return nil
}
