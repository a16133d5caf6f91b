package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/searchpage"
	"github.com/aladin-go/aladin/internal/source"
)

var pageVerb = cli.Verb{
	Name: "page", Args: `FILE --model BUNDLE [SOURCE] --out FILE.html [options] "a sentence"…`, Summary: "search and show what was found as an HTML page",
	About: `
Searches for each sentence and writes one HTML page that needs nothing beside it: pictures with a box where
each word was found, scores, and words tinted by how well they were found. SOURCE says where the pictures
are, as for build; without it the page has boxes only.

  aladin-index page photos.aladin --model photos.model --images ~/Photos --out found.html \
      "a dog catches a frisbee" "two men on a red boat"
`,
	Setup: func(f *cli.Flags) cli.Body {
		p := &paging{}
		p.source.Register(f, "")
		p.model.Register(f)
		p.tell.Register(f)
		f.StringVar(&p.out, "out", "", "HTML `file` to write")
		f.StringVar(&p.title, "title", "", "`title` of the page")
		f.IntVar(&p.k, "k", index.DefaultK, "`number` of hits of each sentence")
		f.IntVar(&p.candidates, "candidates", index.DefaultCandidates, "`number` of candidates that alignment ranks")
		return p.writePage
	},
}

type paging struct {
	source        source.Flags
	model         modelflags.Flags
	tell          cli.Output
	out, title    string
	k, candidates int
}

// paged is the JSON document.
type paged struct {
	Page     string `json:"page"`
	Searches int    `json:"searches"`
	Hits     int    `json:"hits"`
	Pictures int    `json:"pictures"` // of the hits that are shown with theirs
}

func (p *paging) writePage(ctx context.Context, env cli.Env, args []string) (err error) {
	switch {
	case len(args) == 0:
		return missingFile()
	case len(args) == 1:
		return cli.Misuse("what to search for?")
	case p.out == "":
		return cli.Misuse("which --out FILE.html?")
	case p.k < 1 || p.candidates < 1:
		return cli.Misuse("-k %d --candidates %d: want at least 1", p.k, p.candidates)
	}
	var photos *pictures
	if p.source.Given() {
		if photos, err = openPictures(ctx, &p.source); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, photos.src.Close()) }()
	}
	c, err := p.model.Collection(args[0], &aladin.Options{KeepGraphs: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()

	page := &searchpage.Page{Title: p.title, Notes: []string{fmt.Sprintf("%s: %d items", filepath.Base(args[0]), c.Index.Len()), "model " + c.Index.Model()}}
	if page.Title == "" {
		page.Title = "Search in " + filepath.Base(args[0])
	}
	done := paged{Page: p.out}
	for _, sentence := range args[1:] {
		r, err := c.Ask(ctx, sentence, &aladin.SearchOptions{K: p.k, Candidates: max(p.candidates, p.k), WithFields: true})
		if err != nil {
			return err
		}
		s := searchpage.Search{Query: sentence, Warnings: r.Warnings}
		for _, w := range r.Warnings {
			fmt.Fprintf(env.Stderr, "“%s”: %s\n", sentence, strings.TrimSuffix(w, "; nearest:"))
		}
		for _, h := range r.Hits {
			shown := searchpage.Hit{Hit: h.Hit, Relevance: h.Relevance}
			if h.Kind == index.Caption {
				shown.Text = h.Fields.Text
			} else if err := photos.find(ctx, &shown); err != nil {
				fmt.Fprintf(env.Stderr, "%s is shown without its picture: %v\n", h.ID, err)
			}
			if shown.Photo != nil {
				done.Pictures++
			}
			s.Hits = append(s.Hits, shown)
		}
		done.Searches, done.Hits = done.Searches+1, done.Hits+len(r.Hits)
		page.Searches = append(page.Searches, s)
	}
	if err := atomicfile.Write(p.out, func(w io.Writer) error { return page.Write(w) }); err != nil {
		return err
	}
	if p.tell.JSON {
		return cli.WriteJSON(env.Stdout, done)
	}
	fmt.Fprintf(env.Stdout, "%s: %d searches, %d hits\n", p.out, done.Searches, done.Hits)
	return nil
}

// pictures finds the pictures of hits in a source.
type pictures struct {
	src *source.Source
	at  map[string]int
}

func openPictures(ctx context.Context, flags *source.Flags) (*pictures, error) {
	if err := flags.Check(); err != nil {
		return nil, err
	}
	src, err := flags.Open(ctx, &source.Options{Split: "test"})
	if err != nil {
		return nil, err
	}
	p := &pictures{src, make(map[string]int, len(src.Items))}
	for i, item := range src.Items {
		p.at[item.ID] = i
	}
	return p, nil
}

// find gives a hit its picture. No source, or one of features, has none, and that is no error.
func (p *pictures) find(ctx context.Context, h *searchpage.Hit) error {
	if p == nil || p.src.Precomputed() {
		return nil
	}
	i, ok := p.at[h.ID]
	if !ok {
		return errors.New("the source does not have it")
	}
	f, err := p.src.Open(i, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Photo, err = f.Thumbnail(ctx, searchpage.Thumbnail, searchpage.Quality)
	return err
}
