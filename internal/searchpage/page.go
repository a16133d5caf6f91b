// Package searchpage writes what searches found as one HTML page that needs nothing beside it and nothing
// from a network: small pictures with a box where each word was found, scores, and the query's words tinted
// by how well they were found. It follows the reader's light or dark theme and can be printed.
package searchpage

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
)

//go:embed page.html.tmpl
var source string

const (
	// Thumbnail and Quality are what photos on a page are made to: pixels of the longer side, and of JPEG.
	Thumbnail, Quality = 360, 82
	colours            = 6 // that the style sheet has for regions
)

// A Page is everything that is shown.
type Page struct {
	Title    string
	Notes    []string // what was searched, with what
	Searches []Search
}

// A Search is a sentence and what it found, best first.
type Search struct {
	Query    string
	Warnings []string // sentences about words that the model does not know
	Hits     []Hit
}

// A Hit is an item that was found.
type Hit struct {
	index.Hit
	Relevance float32        // 0…1; negative: not known
	Text      string         // of a caption
	Photo     *picture.Thumb // of an image; nil if there is none to show
}

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	v := view{Title: p.Title, Notes: p.Notes}
	for _, s := range p.Searches {
		vs := viewSearch{Query: s.Query, Warnings: s.Warnings}
		for k, h := range s.Hits {
			vh, err := show(s.Query, k+1, h)
			if err != nil {
				return fmt.Errorf("search page: %s: %w", h.ID, err)
			}
			vs.Hits = append(vs.Hits, vh)
		}
		v.Searches = append(v.Searches, vs)
	}
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("search page: %w", err)
	}
	return nil
}

var page = template.Must(template.New("page").Parse(source))

// view is what the template reads; numbers are written out.
type view struct {
	Title    string
	Notes    []string
	Searches []viewSearch
}

type viewSearch struct {
	Query    string
	Warnings []string
	Hits     []viewHit
}

type viewHit struct {
	Rank                           int
	ID, Text                       string
	Relevance, Score, Match, Align string
	Photo                          template.URL
	Shape                          template.CSS // width to height
	Boxes                          []viewBox
	Parts                          []viewPart
}

// viewBox is a region that words found.
type viewBox struct {
	Group int
	Place template.CSS
	Label string
	Class string
}

// viewPart is a piece of the query: a word with what it found, or what stands between two words.
type viewPart struct {
	Text  string
	Word  bool
	Group int // of the box; 0 is none
	Class string
	Tint  template.CSS
	Title string
}

func show(query string, rank int, h Hit) (viewHit, error) {
	v := viewHit{Rank: rank, ID: h.ID, Text: h.Text, Match: fmt.Sprintf("%.3f", h.Match), Shape: "4 / 3"}
	if len(h.Words) > 0 {
		v.Score = fmt.Sprintf("%.2f", h.Score)
		v.Align = fmt.Sprintf("%.2f", h.Align)
	}
	if h.Relevance >= 0 {
		v.Relevance = fmt.Sprintf("%.0f %%", 100*h.Relevance)
	}
	if h.Photo != nil {
		v.Photo = template.URL(h.Photo.DataURI())
		v.Shape = template.CSS(fmt.Sprintf("%d / %d", h.Photo.W, h.Photo.H))
	}
	regions := group(h.Words)
	if h.Kind == index.Image {
		v.Boxes = regions.boxes()
	}
	v.Parts = parts(query, h.Words, regions)
	return v, nil
}

// parts cuts the query at the words of a hit. Words without a place in it (of another term of the query)
// are left out.
func parts(query string, words []index.WordMatch, regions *groups) []viewPart {
	var out []viewPart
	at := 0
	for _, w := range words {
		if w.Start < at || w.End <= w.Start || w.End > len(query) {
			continue
		}
		if w.Start > at {
			out = append(out, viewPart{Text: query[at:w.Start]})
		}
		p := viewPart{Text: query[w.Start:w.End], Word: true, Class: "mute", Title: "takes no part"}
		if w.Region >= 0 && w.Weight > 0 {
			share := min(1, max(0, w.Similarity))
			p.Group, p.Class = regions.number[w.Region], regions.class(w.Region)
			p.Tint = template.CSS(fmt.Sprintf("--s: %.2f", share))
			p.Title = fmt.Sprintf("similarity %.2f, weight %.2f, region %d", w.Similarity, w.Weight, w.Region)
			if w.Label != "" {
				p.Title += fmt.Sprintf(" (%s)", w.Label)
			}
		}
		out, at = append(out, p), w.End
	}
	if at > 0 && at < len(query) {
		out = append(out, viewPart{Text: query[at:]})
	}
	return out
}

// groups are the regions that words found, in the order of the words, numbered from 1.
type groups struct {
	number map[int]int // of a region
	all    []*region
}

type region struct {
	box    index.Box
	words  []string // that mean things
	colour int
}

func group(words []index.WordMatch) *groups {
	g := &groups{number: map[int]int{}}
	colour := 0
	for _, w := range words {
		if w.Region < 0 || w.Weight <= 0 {
			continue
		}
		n, ok := g.number[w.Region]
		if !ok {
			g.all = append(g.all, &region{box: w.Box})
			n = len(g.all)
			g.number[w.Region] = n
		}
		r := g.all[n-1]
		if !telling(w.Word) {
			continue
		}
		if r.words == nil {
			colour++
			r.colour = (colour-1)%colours + 1
		}
		r.words = append(r.words, w.Word)
	}
	return g
}

// class names the colour of a region in the style sheet; regions that only small words found have none,
// and their boxes are seen when one points at the word.
func (g *groups) class(at int) string {
	return g.all[g.number[at]-1].class()
}

func (r *region) class() string {
	if r.words == nil {
		return "quiet"
	}
	return fmt.Sprintf("c%d", r.colour)
}

func (g *groups) boxes() []viewBox {
	var out []viewBox
	for k, r := range g.all {
		x1, y1, x2, y2 := clamp(r.box[0]), clamp(r.box[1]), clamp(r.box[2]), clamp(r.box[3])
		if x2 <= x1 || y2 <= y1 {
			continue // the null region of published models is nowhere
		}
		class := r.class()
		if y1 < 0.1 {
			class += " high" // no room for the label above
		}
		if x1+x2 > 1.1 {
			class += " right"
		}
		out = append(out, viewBox{
			Group: k + 1, Label: strings.Join(r.words, " "), Class: class,
			Place: template.CSS(fmt.Sprintf("left:%.2f%%;top:%.2f%%;width:%.2f%%;height:%.2f%%", 100*x1, 100*y1, 100*(x2-x1), 100*(y2-y1))),
		})
	}
	return out
}

func clamp(v float32) float32 { return min(1, max(0, v)) }

// small are English words that stand for no thing in a picture.
var small = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`a an the this that there it its his her their and or but not no of on in at to from by with without
		is are was were be being has have while as into onto over under up down out off through near beside behind
		left right above below front back next between around across against some each`) {
		m[w] = true
	}
	return m
}()

// telling says whether a word may name a thing or how it is.
func telling(word string) bool {
	w := strings.ToLower(strings.Trim(word, ".,;:!?\"'()"))
	return w != "" && !small[w]
}
