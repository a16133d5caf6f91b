package indexcmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/weaviate"
)

var deleteVerb = cli.Verb{
	Name: "delete", Args: "FILE [ID…] [--from LIST] [options]", Summary: "delete items",
	About: `
Deletes items. Their bytes stay in the file until compact. An id that is not in the index is an error, and
then nothing is deleted.

  aladin-index delete photos.aladin holidays/blurred.jpg
  aladin-index list photos.aladin --tag blurred -0 | aladin-index delete photos.aladin --from -
`,
	Setup: func(f *cli.Flags) cli.Body {
		var (
			t    cli.Output
			n    naming
			opts index.BuildOptions
		)
		t.Register(f)
		n.register(f)
		noLockVar(f, &opts.NoLock)
		return func(ctx context.Context, env cli.Env, args []string) (err error) {
			if len(args) == 0 || len(args) == 1 && n.from == "" {
				return cli.Misuse("want an index FILE and at least one ID, or --from a list of them")
			}
			w, err := openEditor(ctx, args[0], &opts)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, w.Close()) }()
			ids, missing, err := n.ids(ctx, args[0], args[1:])
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := w.Delete(ctx, id); err != nil {
					return err
				}
			}
			if err := w.Commit(ctx); err != nil {
				return err
			}
			if t.JSON {
				return cli.WriteJSON(env.Stdout, map[string]any{"deleted": w.Stats().Deleted, "missing": missing})
			}
			fmt.Fprintf(env.Stdout, "%s: %d deleted\n", args[0], w.Stats().Deleted)
			return nil
		}
	},
}

var tagVerb = cli.Verb{
	Name: "tag", Args: "FILE add|remove|set TAG [ID…] [--from LIST] [options]", Summary: "give items a tag, or take it from them",
	About: `
Changes the tags of items; nothing is encoded. set leaves an item no tag but this one. An id that is not in the
index is an error, and then nothing is changed.

  aladin-index tag photos.aladin add holiday trip/beach.jpg trip/dunes.jpg
  aladin-index tag photos.aladin remove blurred trip/beach.jpg
  aladin-index list photos.aladin --tag holliday -0 | aladin-index tag photos.aladin set holiday --from -
`,
	Setup: func(f *cli.Flags) cli.Body {
		var (
			t    cli.Output
			n    naming
			opts index.BuildOptions
		)
		t.Register(f)
		n.register(f)
		noLockVar(f, &opts.NoLock)
		return func(ctx context.Context, env cli.Env, args []string) (err error) {
			if len(args) < 3 {
				return cli.Misuse("want an index FILE, one of add, remove and set, and a TAG")
			}
			file, tag := args[0], args[2]
			change, ok := map[string]func([]string) []string{
				"add": func(tags []string) []string {
					if slices.Contains(tags, tag) {
						return tags
					}
					return append(tags, tag)
				},
				"remove": func(tags []string) []string {
					return slices.DeleteFunc(tags, func(t string) bool { return t == tag })
				},
				"set": func([]string) []string { return []string{tag} },
			}[args[1]]
			if !ok || tag == "" {
				return cli.Misuse("%q %q: want add, remove or set, and a tag", args[1], tag)
			}
			w, err := openEditor(ctx, file, &opts)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, w.Close()) }()
			ids, missing, err := n.ids(ctx, file, args[3:])
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := w.Update(ctx, id, func(f *index.Fields) { f.Tags = change(f.Tags) }); err != nil {
					return err
				}
			}
			if err := w.Commit(ctx); err != nil {
				return err
			}
			n := w.Stats().Updated
			if t.JSON {
				return cli.WriteJSON(env.Stdout, map[string]any{"changed": n, "unchanged": len(ids) - n, "missing": missing})
			}
			fmt.Fprintf(env.Stdout, "%s: tags of %d items changed\n", file, n)
			return nil
		}
	},
}

var listVerb = cli.Verb{
	Name: "list", Args: "FILE [--tag T…] [-0] [options]", Summary: "list the items of an index",
	About: `
Lists ids in ascending order, a line each. Ids with line ends or other control characters are quoted; -0 writes all
as they are, for programs: delete, tag and xargs -0 read that.

  aladin-index list photos.aladin
  aladin-index list photos.aladin --tag holiday --tag beach
  aladin-index list photos.aladin --json
`,
	Setup: func(f *cli.Flags) cli.Body {
		l := &listing{}
		f.BoolVar(&l.json, "json", false, "print one JSON document, with kinds, tags and metadata")
		f.Var(&l.tags, "tag", "only items with this `tag`; may be repeated, then all are wanted")
		f.BoolVar(&l.zero, "0", false, "end each id with a zero byte")
		return func(ctx context.Context, env cli.Env, args []string) error {
			if l.json && l.zero {
				return cli.Misuse("--json or -0, not both")
			}
			return onSearcher(ctx, args, func(ix index.Searcher) error { return l.list(ctx, env, ix) })
		}
	},
}

// editor changes items of a file or an engine.
type editor interface {
	Delete(ctx context.Context, id string) error
	Update(ctx context.Context, id string, change func(*index.Fields)) error
	Commit(ctx context.Context) error
	Stats() index.Stats
	Close() error
}

func openEditor(ctx context.Context, name string, opts *index.BuildOptions) (editor, error) {
	if !weaviate.IsAddress(name) {
		w, err := index.OpenWriter(name, opts)
		if err != nil {
			return nil, err
		}
		return w, nil
	}
	c, err := weaviate.Open(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	return &engineEditor{c.Writer(), c}, nil
}

// engineEditor closes the collection with its writer.
type engineEditor struct {
	*weaviate.Writer
	c *weaviate.Collection
}

func (e *engineEditor) Close() error { return errors.Join(e.Writer.Close(), e.c.Close()) }

type listing struct {
	tags       cli.List
	zero, json bool
}

// listed is an item in the document of --json.
type listed struct {
	ID   string          `json:"id"`
	Kind string          `json:"kind"`
	Tags []string        `json:"tags"`
	Meta json.RawMessage `json:"meta,omitempty"`
}

func (l *listing) list(ctx context.Context, env cli.Env, ix index.Searcher) error {
	warnings, err := unknownTags(ctx, ix, l.tags)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(env.Stderr, w)
	}
	known := map[string]*index.Fields{} // of an engine, which is not asked for each
	if c, ok := ix.(*weaviate.Collection); ok && (l.json || len(l.tags) > 0) {
		for it, err := range c.Each(ctx) {
			if err != nil {
				return err
			}
			known[it.ID] = &it.Fields
		}
	}
	ids := slices.Collect(maps.Keys(known))
	if len(known) == 0 {
		for id, err := range ix.IDs(ctx) {
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	out := bufio.NewWriter(env.Stdout)
	items := []listed{}
	for _, id := range ids {
		if l.json || len(l.tags) > 0 {
			f := known[id]
			if f == nil {
				if f, err = ix.Fields(ctx, id); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(l.tags, func(t string) bool { return !slices.Contains(f.Tags, t) }) {
				continue
			}
			if l.json {
				items = append(items, listed{id, f.Kind.String(), append([]string{}, f.Tags...), f.Meta})
				continue
			}
		}
		if l.zero {
			fmt.Fprintf(out, "%s\x00", id)
		} else {
			fmt.Fprintln(out, printable(id))
		}
	}
	if l.json {
		return cli.WriteJSON(env.Stdout, map[string]any{"items": items})
	}
	return out.Flush()
}
