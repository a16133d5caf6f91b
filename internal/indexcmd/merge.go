package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
)

var mergeVerb = cli.Verb{
	Name: "merge", Args: "--out FILE PART… [options]", Summary: "make one index of many",
	About: `
Makes one index of parts that build --part made, perhaps on as many machines, or of any indexes of one model. The
result is, byte for byte, what one build makes of the whole source with the same options. Items keep their codes, tags and
metadata; deleted ones are left out. Of items with the same id the one of the file that is named first is kept.

Parts that are missing are named, and so are parts of another source or with other options; --incomplete merges
what there is all the same. --match and --regions choose codecs that are coarser than those of the parts, as those of build do.

  aladin-index merge --out photos.aladin part-*.aladin
  aladin-index merge --out small.aladin --match bits --regions 2bit part-*.aladin
  aladin-index merge --out all.aladin mine.aladin yours.aladin
`,
	Setup: func(f *cli.Flags) cli.Body {
		m := &merging{}
		m.tell.Register(f)
		f.StringVar(&m.out, "out", "", "index `file` to make")
		f.BoolVar(&m.incomplete, "incomplete", false, "merge although parts are missing, or saw other sources")
		m.codecs.register(f, "")
		f.Group(cli.Advanced)
		f.IntVar(&m.cells, "cells", 0, "`number` of cells to arrange the index in; 0 chooses by size, -1 makes none")
		noLockVar(f, &m.noLock)
		return m.merge
	},
}

type merging struct {
	tell       cli.Output
	out        string
	codecs     codecs
	cells      int
	incomplete bool
	noLock     bool
}

// A mergedFile is a file that was merged, as --json tells of it.
type mergedFile struct {
	File    string `json:"file"`
	Items   int    `json:"items"`
	Part    int    `json:"part,omitempty"` // of Of
	Of      int    `json:"of,omitempty"`
	Skipped int    `json:"skipped,omitempty"` // items that the part could not encode

	part *part
	mean []float32 // of captions
}

func (m *merging) merge(ctx context.Context, env cli.Env, args []string) error {
	if m.out == "" {
		return cli.Misuse("--out which FILE?")
	}
	if len(args) == 0 {
		return cli.Misuse("which PARTs?")
	}
	if info, err := os.Stat(filepath.Dir(m.out)); err != nil || !info.IsDir() {
		return fmt.Errorf("--out %s: there is no folder %s", m.out, filepath.Dir(m.out))
	}
	opts := index.MergeOptions{BuildOptions: index.BuildOptions{Duplicates: index.SkipDuplicate, NoLock: m.noLock}}
	if err := m.codecs.set(&opts.BuildOptions); err != nil {
		return err
	}
	if _, err := replaces(m.out); err != nil {
		return err
	}
	files := make([]mergedFile, len(args))
	for i, name := range args {
		info, err := infoOf(ctx, name)
		if err != nil {
			return err
		}
		files[i] = mergedFile{File: name, Items: info.Items}
		if p := partOf(info.State); p != nil {
			files[i].part, files[i].Part, files[i].Of, files[i].Skipped = p, p.Part, p.Of, p.Skipped
			files[i].mean = p.queryMean(info.Dim)
		}
		if opts.QueryMean == nil {
			opts.QueryMean = files[i].mean
		}
	}
	if err := checkParts(files); err != nil {
		if !m.incomplete {
			return err
		}
		fmt.Fprintf(env.Stderr, "merged all the same: %v\n", err)
	}
	task := m.tell.Task(env, "merging", 0)
	opts.Progress = task.Set
	stats, err := index.Merge(ctx, m.out, args, &opts)
	task.Done()
	if err != nil {
		return err
	}
	arranged := arrangeFile(ctx, env, &m.tell, m.out, m.cells, m.noLock)
	return errors.Join(m.report(ctx, env, files, stats), arranged)
}

func (m *merging) report(ctx context.Context, env cli.Env, files []mergedFile, stats index.Stats) error {
	info, err := infoOf(context.WithoutCancel(ctx), m.out)
	if err != nil {
		return err
	}
	if m.tell.JSON {
		return cli.WriteJSON(env.Stdout, struct {
			File       string `json:"file"`
			Duplicates int    `json:"duplicates"` // items whose id an earlier file has
			*index.Info
			Parts []mergedFile `json:"parts"`
		}{m.out, stats.Skipped, info, files})
	}
	skipped := 0
	for _, f := range files {
		skipped += f.Skipped
	}
	if skipped > 0 {
		fmt.Fprintf(env.Stderr, "left out when the parts were built: %d\n", skipped)
	}
	note := ""
	if stats.Skipped > 0 {
		note = fmt.Sprintf(" (%d of ids that an earlier file has were left out)", stats.Skipped)
	}
	fmt.Fprintf(env.Stdout, "%s: %d files merged%s; %d items, %s, %.0f bytes an item\n", m.out, len(files), note, info.Items, size(info.Bytes), info.BytesPerItem)
	return nil
}

// checkParts says what is wrong with parts of a job. Indexes that are no parts are fine among themselves.
func checkParts(files []mergedFile) error {
	at := map[int]*mergedFile{}
	var first *mergedFile
	for i := range files {
		f := &files[i]
		if (f.part == nil) != (files[0].part == nil) {
			whole, one := f, &files[0]
			if f.part != nil {
				whole, one = one, f
			}
			return fmt.Errorf("%s is part %v of an index, and %s is none", one.File, one.part, whole.File)
		}
		switch {
		case f.part == nil:
			continue
		case first == nil:
			first = f
		case f.part.Of != first.part.Of:
			return fmt.Errorf("%s is part %v, and %s is part %v: parts of different sets", first.File, first.part, f.File, f.part)
		}
		if other := at[f.Part]; other != nil {
			return fmt.Errorf("part %v is there twice: %s, %s", f.part, other.File, f.File)
		}
		at[f.Part] = f
		if !f.part.sameJob(first.part) {
			return fmt.Errorf("%s and %s were built of different sources or with different options (%s): build one of them again", first.File, f.File, difference(first.part, f.part))
		}
	}
	if first == nil {
		return nil
	}
	const shown = 20
	var missing []string
	for i := range first.Of {
		if at[i+1] == nil {
			missing = append(missing, fmt.Sprintf("%d/%d", i+1, first.Of))
		}
	}
	if n := len(missing) - shown; n > 0 {
		missing = append(missing[:shown], fmt.Sprintf("and %d more", n))
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: %s; build what is missing with --part, or merge without it with --incomplete", strings.Join(missing, ", "))
	}
	return nil
}

// difference says in what two parts differ.
func difference(a, b *part) string {
	switch {
	case a.Items != b.Items:
		return fmt.Sprintf("%s and %s", a.Items, b.Items)
	case a.Total != b.Total:
		return fmt.Sprintf("%d and %d items", a.Total, b.Total)
	case a.IDs != b.IDs:
		return "other ids"
	}
	return "other --tags or --meta"
}
