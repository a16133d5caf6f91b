package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/follow"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/source"
)

var syncVerb = cli.Verb{
	Name: "sync", Args: "FILE --model BUNDLE [--images DIR] [--images NAME=DIR …] [options]", Summary: "bring an index in step with folders of photos",
	About: `
Makes an index what the folders are: new photos are added, changed ones encoded again, and those that are gone
removed. Photos that were moved or renamed are known by their content: they keep tags and metadata and are not
encoded again. What has not changed costs a look at its size and time. Where FILE is not there yet it is made.

The index remembers its folders; without --images all of them are brought up to date. One folder may go without a
name, and the ids of its photos are paths below it; ids from a folder that has one begin with NAME/. An index made
by build is taken over.

Interrupted, even by force, it keeps what is done, up to some minutes; run it again for the rest. A folder that is
empty, as a disk that is not mounted, takes nothing out of the index.

  aladin-index sync photos.aladin --model photos.model --images ~/Photos
  aladin-index sync photos.aladin --model photos.model --images ~/Photos --images phone=/media/phone/DCIM
  aladin-index sync photos.aladin --model photos.model --dry-run
  aladin-index sync photos.aladin --model photos.model --meta xmp --exclude '*.png' --exclude drafts
`,
	Setup: func(f *cli.Flags) cli.Body {
		s := &syncing{flags: f}
		f.Var(&s.roots, "images", "`folder` of photos, with all its subfolders, or NAME=DIR; may be repeated")
		s.walk.Register(f, "")
		f.StringVar(&s.meta, "meta", "", "`xmp`: keywords in photos become tags, and titles, descriptions, dates and places metadata")
		s.model.Register(f)
		s.tell.Register(f)
		f.BoolVar(&s.opts.DryRun, "dry-run", false, "say what would be done, and do nothing")
		f.BoolVar(&s.opts.AllowEmpty, "allow-empty", false, "let a folder that is empty, or holds other photos than before, take items out of the index")
		f.Group("A new index")
		s.codecs.register(f, "int8")
		f.Group(cli.Advanced)
		f.IntVar(&s.cells, "cells", 0, "`number` of cells to arrange an index in that has outgrown them; 0 chooses by size, -1 makes none")
		noLockVar(f, &s.opts.Index.NoLock)
		return s.sync
	},
}

type syncing struct {
	flags  *cli.Flags
	roots  cli.List
	walk   source.WalkOptions
	meta   string
	model  modelflags.Flags
	tell   cli.Output
	codecs codecs
	opts   follow.Options
	cells  int
}

// stages shows what a long job is at.
type stages struct {
	tell *cli.Output
	env  cli.Env
	what string
	task *progress.Task
}

func (s *stages) set(what string, done, total int) {
	if what != s.what {
		s.end()
		s.what, s.task = what, s.tell.Task(s.env, what, total)
	}
	s.task.Set(done, total)
}

func (s *stages) end() {
	s.task.Done()
	s.task = nil
}

func (s *syncing) sync(ctx context.Context, env cli.Env, args []string) error {
	file, err := indexFile(args)
	if err != nil {
		return err
	}
	if err := s.complete(file); err != nil {
		return err
	}
	m, err := s.model.Open(nil)
	if err != nil {
		return err
	}
	at := &stages{tell: &s.tell, env: env}
	s.opts.Progress = at.set
	sum, err := follow.Sync(ctx, file, m, &s.opts)
	at.end()
	err = errors.Join(err, m.Close())
	switch {
	case errors.Is(err, follow.ErrRoot), errors.Is(err, follow.ErrEmpty):
		return err
	case err != nil && sum.Items == 0 && sum.Added == 0:
		return err
	}
	if err == nil && sum.Added > 0 && !s.opts.DryRun {
		err = s.arrange(ctx, env, file)
	}
	return errors.Join(err, s.report(env, file, sum))
}

// complete makes options of the flags.
func (s *syncing) complete(file string) error {
	for _, given := range s.roots {
		root, err := follow.ParseRoot(given)
		if err != nil {
			return cli.Misuse("--images: %w", err)
		}
		s.opts.Roots = append(s.opts.Roots, root)
	}
	if _, err := os.Stat(file); err != nil && len(s.opts.Roots) == 0 {
		return cli.Misuse("%s is not there yet: which --images DIR?", file)
	}
	switch s.meta {
	case "":
	case "xmp":
		s.opts.XMP = true
	default:
		return cli.Misuse("--meta %q: want xmp", s.meta)
	}
	if s.flags.Given("exclude") || s.flags.Given("follow") {
		s.opts.Walk = &s.walk
	}
	return s.codecs.set(&s.opts.Index)
}

// arrange gives an index that has outgrown its cells others.
func (s *syncing) arrange(ctx context.Context, env cli.Env, file string) (err error) {
	w, err := index.OpenWriter(file, &s.opts.Index)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return arrange(ctx, env, &s.tell, file, w, s.cells)
}

func (s *syncing) report(env cli.Env, file string, sum *follow.Summary) error {
	if s.tell.JSON {
		return cli.WriteJSON(env.Stdout, sum)
	}
	var left source.Skips
	for _, u := range sum.Unreadable {
		left = append(left, source.Skip{What: "photo", Name: fmt.Sprintf("%q", u.Path), Err: errors.New(u.Why)})
	}
	if err := left.Report(env.Stderr, shownSkips); err != nil {
		return err
	}
	if p := sum.Passed.String(); p != "" {
		fmt.Fprintln(env.Stderr, p)
	}
	if sum.Foreign > 0 {
		fmt.Fprintf(env.Stderr, "%d pictures in %s belong to none of its folders and stay as they are\n", sum.Foreign, file)
	}
	would := ""
	if sum.DryRun {
		would = "would be: "
	}
	fmt.Fprintf(env.Stdout, "%s: %s%s; %d items\n", file, would, sum, sum.Items)
	return nil
}
