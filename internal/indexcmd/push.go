package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/weaviate"
)

var pushVerb = cli.Verb{
	Name: "push", Args: "FILE | --model BUNDLE SOURCE --to weaviate://HOST[:PORT[:GRPC-PORT]][,HOST…]/CLASS [options]", Summary: "put the items of an index, or of a source, into an engine",
	About: `
Copies the items of an index file into a collection in Weaviate, with the file's codes: the same candidates get the
same scores there. Or it encodes a source, as build does. A collection that is not there is made; in one that is,
items of the same id are replaced and others stay. Interrupted or failed, run it again: writing an item twice is
writing it once. An API key is read from the environment variable WEAVIATE_API_KEY; weaviates:// means TLS.

search, serve, page, list, info, tag, delete and aladin-eval take the address in place of a file.

  aladin-index push photos.aladin --to weaviate://10.0.0.1,10.0.0.2,10.0.0.3/Photos
  aladin-index push --model photos.model --images ~/Photos --regions 4bit --to weaviate://127.0.0.1:8080:50051/Photos
  aladin-index search weaviate://10.0.0.1,10.0.0.2,10.0.0.3/Photos --model photos.model "a dog catches a frisbee"
`,
	Setup: func(f *cli.Flags) cli.Body {
		p := &pushing{}
		p.source.Register(f, "")
		p.model.Register(f)
		p.tell.Register(f)
		f.StringVar(&p.to, "to", "", "`address` of the collection")
		f.StringVar(&p.items, "items", "images", "`what` of a source: images or captions")
		f.StringVar(&p.tagsFile, "tags", "", "`file` of lines: id <tab> tag, for a source")
		f.StringVar(&p.metaFile, "meta", "", "`file` of JSON lines, each with an \"id\", for a source")
		f.Group("A new collection")
		f.StringVar(&p.codecs.match, "match", "int8", "`codec` of the vectors, for a source: int8, f16, f32")
		f.StringVar(&p.codecs.regions, "regions", "4bit", "`codec` of the regions (or words), for a source: int8, f16, 4bit, 2bit, none")
		f.IntVar(&p.create.Replicas, "replicas", 0, "`number` of nodes that keep each item; 0 is 3, or as many as there are")
		f.IntVar(&p.create.Shards, "shards", 0, "`number` of parts that the items are cut into, for good; 0 is one for each node")
		return p.push
	},
}

type pushing struct {
	building
	to     string
	create weaviate.CreateOptions
}

// pushed is the JSON document.
type pushed struct {
	To      string    `json:"to"`
	Created bool      `json:"created"`
	Pushed  int       `json:"pushed"`
	Items   int       `json:"items"` // of the collection
	Seconds float64   `json:"seconds"`
	Skipped []skipped `json:"skipped"`
}

func (p *pushing) push(ctx context.Context, env cli.Env, args []string) (err error) {
	switch {
	case !weaviate.IsAddress(p.to):
		return cli.Misuse("--to %q: want weaviate://HOST[:PORT[:GRPC-PORT]][,HOST…]/CLASS", p.to)
	case (len(args) > 0) == p.source.Given():
		return cli.Misuse("what is to be pushed? An index FILE, or a SOURCE with --model")
	case p.create.Replicas < 0 || p.create.Shards < 0:
		return cli.Misuse("--replicas %d --shards %d", p.create.Replicas, p.create.Shards)
	}
	if err := weaviate.CheckAddress(p.to); err != nil {
		return cli.Misuse("--to %w", err)
	}
	began := time.Now()
	t := &target{pushing: p}
	defer func() { err = errors.Join(err, t.close()) }()
	out := pushed{To: p.to, Skipped: []skipped{}}
	if p.source.Given() {
		err = p.pushSource(ctx, env, t, &out)
	} else {
		err = p.pushFile(ctx, env, t, args)
	}
	if err != nil {
		return err
	}
	out.Created, out.Pushed, out.Seconds = t.created, t.pushed, time.Since(began).Seconds()
	if t.c != nil {
		if _, err := t.c.Refresh(ctx); err != nil {
			return err
		}
		out.Items = t.c.Len()
	}
	if p.tell.JSON {
		return cli.WriteJSON(env.Stdout, out)
	}
	fmt.Fprintf(env.Stdout, "%s: %d items pushed in %.1f s, %d in all\n", p.to, out.Pushed, out.Seconds, out.Items)
	return nil
}

func (p *pushing) pushFile(ctx context.Context, env cli.Env, t *target, args []string) error {
	return onIndex(args, func(ix *index.Index) error {
		of, err := ix.Layout(ctx)
		if err != nil {
			return err
		}
		t.model = ix.Model()
		if err := t.open(ctx, of); err != nil {
			return err
		}
		same := sameLayout(of, t.c.Layout())
		task := p.tell.Task(env, "pushing", ix.Len())
		defer task.Done()
		for it, err := range ix.Packed(ctx) {
			if err != nil {
				return err
			}
			if same {
				err = t.w.AddPacked(ctx, it)
			} else {
				err = t.repack(ctx, of, it)
			}
			if err != nil {
				return err
			}
			t.pushed++
			task.Add(1)
		}
		return t.w.Commit(ctx)
	})
}

func sameLayout(a, b *index.Layout) bool {
	x, y := a.Spec(), b.Spec()
	return x.Match == y.Match && x.Regions == y.Regions && x.Dim == y.Dim && x.TokenDim == y.TokenDim && string(x.Codebook) == string(y.Codebook)
}

func (p *pushing) pushSource(ctx context.Context, env cli.Env, t *target, out *pushed) error {
	var opts index.BuildOptions
	if err := p.codecs.set(&opts); err != nil {
		return err
	}
	if opts.Match == index.Bits {
		return cli.Misuse("--match bits: the engine makes its own; want int8, f16 or f32")
	}
	t.spec = index.LayoutSpec{Match: opts.Match, Regions: opts.Regions}
	j, err := p.building.open(ctx, env)
	if err != nil {
		return err
	}
	t.model = j.m.Fingerprint()
	err = j.encode(ctx, t.add)
	if err == nil {
		err = t.finish(ctx)
	}
	out.Skipped = skips(j.skipped)
	if !p.tell.JSON {
		err = errors.Join(err, j.skipped.Report(env.Stderr, shownSkips))
	}
	return errors.Join(err, j.close())
}

// target is the collection that is pushed to, once it is open.
type target struct {
	*pushing
	spec    index.LayoutSpec // of a new collection for a source
	model   string           // of a source
	held    []index.Item     // from which its codebook is learned
	c       *weaviate.Collection
	w       *weaviate.Writer
	created bool
	pushed  int
}

// open opens the collection, or makes one of a layout, which may be nil if there is none.
func (t *target) open(ctx context.Context, l *index.Layout) (err error) {
	t.c, err = weaviate.Open(ctx, t.to, &weaviate.Options{Model: t.model})
	if errors.Is(err, weaviate.ErrNoCollection) && l != nil {
		t.created = true
		t.c, err = weaviate.Create(ctx, t.to, l, nil, &t.create)
	}
	if err == nil {
		t.w = t.c.Writer()
	}
	return err
}

// repack adds an item that another layout packed.
func (t *target) repack(ctx context.Context, of *index.Layout, p *index.Packed) error {
	it, err := of.Unpack(p)
	if err != nil {
		return err
	}
	return t.w.Add(ctx, *it)
}

// sampled is how many items a codebook is learned from.
const sampled = 4000

// add adds an item of a source. The first ones wait until the collection can be made of them.
func (t *target) add(ctx context.Context, it index.Item) error {
	if t.w == nil && t.held == nil {
		if err := t.open(ctx, nil); err != nil && !errors.Is(err, weaviate.ErrNoCollection) {
			return err
		}
	}
	if t.w == nil {
		t.held = append(t.held, it)
		if trained := t.spec.Regions == index.FourBit || t.spec.Regions == index.TwoBit; trained && len(t.held) < sampled {
			return nil
		}
		return t.release(ctx)
	}
	t.pushed++
	return t.w.Add(ctx, it)
}

// release makes the collection of the items that wait, and adds them.
func (t *target) release(ctx context.Context) error {
	l, err := index.TrainLayout(ctx, t.spec, t.held)
	if err != nil {
		return err
	}
	if err := t.open(ctx, l); err != nil {
		return err
	}
	for _, it := range t.held {
		if err := t.w.Add(ctx, it); err != nil {
			return err
		}
		t.pushed++
	}
	t.held = nil
	return nil
}

func (t *target) finish(ctx context.Context) error {
	if len(t.held) > 0 {
		if err := t.release(ctx); err != nil {
			return err
		}
	}
	if t.w == nil {
		return nil
	}
	return t.w.Commit(ctx)
}

func (t *target) close() error {
	if t.c == nil {
		return nil
	}
	return errors.Join(t.w.Close(), t.c.Close())
}
