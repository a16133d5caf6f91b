package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/follow"
)

var compactVerb = cli.Verb{
	Name: "compact", Args: "FILE [options]", Summary: "rewrite an index without what was deleted",
	About: `
Rewrites the file: without deleted items, in few segments, and for large indexes in cells, which make
searches faster. It needs room for both files; programs that have the index open keep the old one until
they refresh.

  aladin-index compact photos.aladin
`,
	Setup: func(f *cli.Flags) cli.Body {
		var (
			t    cli.Output
			opts index.BuildOptions
		)
		t.Register(f)
		cells := f.Int("cells", 0, "`number` of cells; 0 chooses by size, -1 makes none")
		noLockVar(f, &opts.NoLock)
		return func(ctx context.Context, env cli.Env, args []string) (err error) {
			file, err := indexFile(args)
			if err != nil {
				return err
			}
			w, err := index.OpenWriter(file, &opts)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, w.Close()) }()
			before, err := os.Stat(file)
			if err != nil {
				return err
			}
			task := t.Task(env, "compacting", 0)
			err = w.Compact(ctx, &index.CompactOptions{Cells: *cells, Progress: task.Set})
			task.Done()
			if err != nil {
				return err
			}
			after, err := os.Stat(file)
			if err != nil {
				return err
			}
			if t.JSON {
				return cli.WriteJSON(env.Stdout, map[string]int64{"bytes_before": before.Size(), "bytes": after.Size()})
			}
			fmt.Fprintf(env.Stdout, "%s: %s, before %s\n", file, size(after.Size()), size(before.Size()))
			return nil
		}
	},
}

var infoVerb = cli.Verb{
	Name: "info", Args: "FILE [options]", Summary: "explain an index file",
	About: `
Says what is in the file, how it is stored and which model made it.

  aladin-index info photos.aladin
`,
	Setup: func(f *cli.Flags) cli.Body {
		var t cli.Output
		t.Register(f)
		return func(ctx context.Context, env cli.Env, args []string) error {
			return onSearcher(ctx, args, func(ix index.Searcher) error {
				info, err := ix.Info(ctx)
				if err != nil {
					return err
				}
				tags, err := ix.Tags(ctx)
				if err != nil {
					return err
				}
				if t.JSON {
					document := infoDocument{Info: info, Tags: map[string]int{}}
					for _, t := range tags {
						document.Tags[t.Tag] = t.Items
					}
					return cli.WriteJSON(env.Stdout, document)
				}
				return printInfo(env, info, tags)
			})
		}
	},
}

type infoDocument struct {
	*index.Info
	Tags map[string]int `json:"tags"` // the number of items of each
}

// shownTags is how many tags are named on a terminal; --json names all.
const shownTags = 20

func printInfo(env cli.Env, info *index.Info, tags []index.TagCount) error {
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("items", "%d (%d images, %d captions)", info.Items, info.Images, info.Captions)
	row("model", "%s", info.Model)
	row("vectors", "%s, %d values", info.MatchCodec, info.Dim)
	if info.Tokens > 0 || info.Bytes > 0 {
		row("regions", "%s, %d in all", info.RegionCodec, info.Tokens)
	} else {
		row("regions", "%s", info.RegionCodec)
	}
	if info.Bytes > 0 { // an engine does not tell
		row("size", "%s, %.0f bytes an item", size(info.Bytes), info.BytesPerItem)
		row("segments", "%d, commit %d, format %d", info.Segments, info.Generation, info.Format)
	}
	if info.Cells > 0 {
		row("cells", "%d", info.Cells)
	}
	if info.Deleted > 0 || info.DeadBytes > 0 {
		row("deleted", "%d items; compact frees them and %s of earlier commits", info.Deleted, size(info.DeadBytes))
	}
	if roots, err := follow.Roots(info.State); err == nil {
		for _, r := range roots {
			row("follows", "%s", printable(r.String()))
		}
	}
	if p := partOf(info.State); p != nil {
		row("part", "%v of an index of %d %s; merge makes one of all", p, p.Total, p.Items)
	}
	for i, t := range tags {
		if i == shownTags {
			row("tags", "and %d more", len(tags)-i)
			break
		}
		row("tag", "%s: %d", printable(t.Tag), t.Items)
	}
	for _, s := range info.Sections {
		row("  "+s.Kind, "%s", strings.TrimSpace(size(s.Bytes)+" "+s.Codec))
	}
	return w.Flush()
}

var verifyVerb = cli.Verb{
	Name: "verify", Args: "FILE [options]", Summary: "check every byte of an index file",
	About: `
Reads the whole file and compares every byte with its checksum.

  aladin-index verify photos.aladin
`,
	Setup: func(f *cli.Flags) cli.Body {
		var t cli.Output
		t.Register(f)
		return func(ctx context.Context, env cli.Env, args []string) error {
			return onIndex(args, func(ix *index.Index) error {
				task := t.Task(env, "verifying", 0)
				err := ix.Verify(ctx, func(done, total int64) { task.Set(int(done), int(total)) })
				task.Done()
				if err != nil {
					return err
				}
				info, err := ix.Info(ctx)
				if err != nil {
					return err
				}
				if t.JSON {
					return cli.WriteJSON(env.Stdout, map[string]any{"ok": true, "bytes": info.Bytes, "items": info.Items})
				}
				fmt.Fprintf(env.Stdout, "%s: all %d bytes are good\n", args[0], info.Bytes)
				return nil
			})
		}
	},
}

var duplicatesVerb = cli.Verb{
	Name: "duplicates", Args: "FILE [options]", Summary: "list pictures that are nearly the same",
	About: `
Lists groups of items whose vectors are nearly the same: one group a paragraph.

  aladin-index duplicates photos.aladin
  aladin-index duplicates photos.aladin --min 0.95
`,
	Setup: func(f *cli.Flags) cli.Body {
		var t cli.Output
		t.Register(f)
		least := f.Float64("min", 0.98, "least `cosine` of two items that are near-duplicates")
		exact := f.Bool("exact", false, "compare every item with every other, even when the index has cells")
		return func(ctx context.Context, env cli.Env, args []string) error {
			if !(*least > 0 && *least <= 1) {
				return cli.Misuse("--min %v: want more than 0 and at most 1", *least)
			}
			return onIndex(args, func(ix *index.Index) error {
				task := t.Task(env, "comparing", ix.Len())
				groups, err := ix.Duplicates(ctx, &index.DuplicatesOptions{Min: float32(*least), Exact: *exact, Progress: task.Set})
				task.Done()
				if err != nil {
					return err
				}
				if t.JSON {
					if groups == nil {
						groups = [][]string{}
					}
					return cli.WriteJSON(env.Stdout, map[string]any{"groups": groups})
				}
				for i, g := range groups {
					if i > 0 {
						fmt.Fprintln(env.Stdout)
					}
					for _, id := range g {
						fmt.Fprintln(env.Stdout, printable(id))
					}
				}
				return nil
			})
		}
	},
}

// onSearcher opens the index, of a file or in an engine, that is the only argument.
func onSearcher(ctx context.Context, args []string, run func(index.Searcher) error) (err error) {
	name, err := indexName(args)
	if err != nil {
		return err
	}
	ix, err := aladin.OpenIndex(ctx, name, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	return run(ix)
}

// onIndex opens the index file that is the only argument.
func onIndex(args []string, run func(*index.Index) error) (err error) {
	file, err := indexFile(args)
	if err != nil {
		return err
	}
	ix, err := index.Open(file, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	return run(ix)
}
