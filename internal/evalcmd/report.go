package evalcmd

import (
	"cmp"
	"context"
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/chart"
	"github.com/aladin-go/aladin/internal/eval"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/vector"
)

//go:embed report.html.tmpl
var reportPage string

const (
	worstTexts  = 18  // failures by caption that the report shows
	worstImages = 12  // failures by image
	thumbnail   = 300 // pixels of the longer side
)

// reportData is what the page's template reads.
type reportData struct {
	Title    string
	Charts   template.CSS // style sheet
	Doc      *document
	Rows     []reportRow
	Best     string
	TradeOff template.HTML
	Curves   template.HTML
	Texts    []textFailure
	Images   []imageFailure
	Judge    string // the ranking by which failures are the worst
	Compared []comparedRow
}

type reportRow struct {
	Name string
	F    *figures
	MS   float64
}

type comparedRow struct {
	Head, Figure string
	D            eval.Difference
}

// textFailure is a caption whose image was not found first.
type textFailure struct {
	Text  string
	Rank  int // from 1
	Right shownImage
	Found []shownImage
	Words []shownWord
}

// imageFailure is a photo whose captions were not found first.
type imageFailure struct {
	Image  shownImage
	Rank   int
	Right  []string
	Found  []foundText
	Missed bool
}

type foundText struct {
	Text  string
	Score float32
	Right bool
}

type shownImage struct {
	ID    string
	Score *float32
	Photo template.URL
	Boxes []shownBox
}

// shownBox is in percent of width and height.
type shownBox struct {
	X, Y, W, H float32
	Label      string
	Colour     int
}

// shownWord is a word and how like the best region of the right and of the first image it is.
type shownWord struct {
	Text         string
	Right, Found float32
	Colour       int
	Silent       bool // takes no part
}

// writeReport writes the page.
func (e *evaluation) writeReport(ctx context.Context, path, title string) error {
	if title == "" {
		title = "Image–text retrieval"
	}
	r := &reportData{Title: title, Charts: chart.Style, Doc: e.doc}
	top := -1.0
	for _, s := range e.points() {
		r.Rows = append(r.Rows, reportRow{s.name, s.f, s.ms})
		if s.f.RSum > top {
			top, r.Best = s.f.RSum, s.name
		}
	}
	r.Curves = recallCurves(e.points()).HTML()
	if c := tradeOff(e.points()); c != nil {
		r.TradeOff = c.HTML()
	}
	if len(e.heads) > 0 {
		h := e.judgeHead()
		r.Judge = h.name
		if err := e.failures(r, h, e.photos(ctx)); err != nil {
			return err
		}
	}
	if c := e.doc.Compare; c != nil {
		for _, h := range e.heads {
			for _, f := range append(slices.Clone(eval.RetrievalNames), "ndcg.i2t", "ndcg.t2i") {
				if d, ok := c.Heads[h.name][f]; ok {
					r.Compared = append(r.Compared, comparedRow{h.name, f, d})
				}
			}
		}
	}
	page, err := template.New("report").Funcs(template.FuncMap{
		"pm": func(v eval.Interval) string {
			if math.IsNaN(v[0]) {
				return ""
			}
			return fmt.Sprintf("%.1f–%.1f", v[0], v[1])
		},
		"f1":  func(v float64) string { return fmt.Sprintf("%.1f", v) },
		"f2":  func(v float64) string { return fmt.Sprintf("%.2f", v) },
		"f3":  func(v float64) string { return fmt.Sprintf("%.3f", v) },
		"pct": func(v float64) string { return fmt.Sprintf("%.1f", 100*v) },
		"dif": func(v float64) string { return fmt.Sprintf("%+.2f", v) },
		"at":  func(p *float64) float64 { return *p },
		"inc": func(v int32) int32 { return v + 1 },
		"bar": func(v float32) int { return int(100 * min(1, max(0, v))) },
		"sim": func(v float32) string { return fmt.Sprintf("%.2f", v) },
		"mib": func(v int64) string { return fmt.Sprintf("%.0f MiB", float64(v)/(1<<20)) },
	}).Parse(reportPage)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error { return page.Execute(w, r) })
}

// judgeHead is the ranking with the highest rsum.
func (e *evaluation) judgeHead() *head {
	return slices.MaxFunc(e.heads, func(a, b *head) int {
		x, y := a.outcome.Retrieval().RSum, b.outcome.Retrieval().RSum
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

// worst is up to k queries of the highest rank above 0, no two with the same key.
func worst(ranks []int32, k int, key func(q int) int) []int {
	var all []int
	for q, r := range ranks {
		if r > 0 {
			all = append(all, q)
		}
	}
	slices.SortStableFunc(all, func(a, b int) int { return int(ranks[b]) - int(ranks[a]) })
	var out []int
	seen := map[int]bool{}
	for _, q := range all {
		if len(out) == k {
			break
		}
		if !seen[key(q)] {
			seen[key(q)] = true
			out = append(out, q)
		}
	}
	return out
}

func (e *evaluation) failures(r *reportData, h *head, photo photos) error {
	d := e.d
	for _, c := range worst(h.outcome.T2I, worstTexts, func(c int) int { return d.owner[c] }) {
		f := textFailure{Text: e.textOf(c), Rank: int(h.outcome.T2I[c]) + 1}
		right := d.owner[c]
		first := -1
		f.Right = e.show(right, nil, photo)
		for k, hit := range h.lists.T2I[c][:min(1, len(h.lists.T2I[c]))] {
			score := hit.Score
			f.Found = append(f.Found, e.show(int(hit.Index), &score, photo))
			if k == 0 {
				first = int(hit.Index)
			}
		}
		if first >= 0 {
			if err := e.explain(&f, c, right, first); err != nil {
				return err
			}
		}
		r.Texts = append(r.Texts, f)
	}
	for _, i := range worst(h.outcome.I2T, worstImages, func(i int) int { return i }) {
		f := imageFailure{Image: e.show(i, nil, photo), Rank: int(h.outcome.I2T[i]) + 1}
		for _, c := range e.owners.Captions(i) {
			f.Right = append(f.Right, e.textOf(int(c)))
		}
		for _, hit := range h.lists.I2T[i][:min(5, len(h.lists.I2T[i]))] {
			f.Found = append(f.Found, foundText{e.textOf(int(hit.Index)), hit.Score, d.owner[hit.Index] == i})
		}
		r.Images = append(r.Images, f)
	}
	return nil
}

func (e *evaluation) textOf(c int) string {
	if e.d.texts != nil {
		return e.d.texts[c]
	}
	return e.d.captions[c]
}

// show is an image with its photo.
func (e *evaluation) show(i int, score *float32, photo photos) shownImage {
	return shownImage{ID: e.d.images[i], Score: score, Photo: photo(i)}
}

// photos gives an image's photo made small as a data URL, "" as far as it cannot be had: a page without one
// photo is better than no page.
type photos func(i int) template.URL

func (e *evaluation) photos(ctx context.Context) photos {
	made := map[int]template.URL{}
	return func(i int) template.URL {
		if u, ok := made[i]; ok || e.d.photo == nil {
			return u
		}
		if f, err := e.d.photo(i); err == nil {
			if t, err := f.Thumbnail(ctx, thumbnail, 78); err == nil {
				made[i] = template.URL(t.DataURI())
			}
			f.Close()
		}
		return made[i]
	}
}

// explain adds the words of caption c with their similarities, and the boxes of their best regions in
// the right and in the first image. Of a word in several pieces the one most like a region speaks.
func (e *evaluation) explain(f *textFailure, c, right, first int) error {
	d := e.d
	if d.words == nil || d.imageTokens == nil {
		return nil
	}
	inRight, err := d.exact(right, c)
	if err != nil {
		return err
	}
	inFirst, err := d.exact(first, c)
	if err != nil {
		return err
	}
	words := d.words(c)
	var inR, inF []wordBest
	last := -1
	weights := d.captionTokens.weightsOf(c)
	for w := 0; w < min(len(words), len(inRight.Best)); w++ {
		if words[w].end <= words[w].start {
			continue // stands for no text, as [CLS]
		}
		if last < 0 || words[w].start != words[last].start {
			f.Words = append(f.Words, shownWord{Text: words[w].text, Silent: true})
			inR, inF = append(inR, wordBest{}), append(inF, wordBest{})
		}
		last = w
		if weights != nil && weights[w] == 0 {
			continue
		}
		s := &f.Words[len(f.Words)-1]
		k := len(inR) - 1
		inR[k].improve(inRight.Best[w], s.Silent)
		inF[k].improve(inFirst.Best[w], s.Silent)
		s.Silent = false
	}
	colour := 0
	for k := range f.Words {
		s := &f.Words[k]
		s.Right, s.Found = inR[k].Similarity, inF[k].Similarity
		inR[k].word, inF[k].word = *s, *s
		if !s.Silent && telling(s.Text) {
			s.Colour = colour % 8
			colour++
			inR[k].word.Colour, inF[k].word.Colour = s.Colour, s.Colour
		} else {
			s.Colour = -1
		}
	}
	f.Right.Boxes = e.boxes(right, inR)
	if len(f.Found) > 0 {
		f.Found[0].Boxes = e.boxes(first, inF)
	}
	return nil
}

// wordBest is the best region of a word.
type wordBest struct {
	vector.Best
	word shownWord
}

func (w *wordBest) improve(b vector.Best, first bool) {
	if first || b.Similarity > w.Similarity {
		w.Best = b
	}
}

// telling says whether a word is worth a box: words that only join others are not.
func telling(word string) bool {
	if len([]rune(strings.TrimSpace(word))) < 3 {
		return false
	}
	return !slices.Contains([]string{
		"the", "and", "with", "are", "its", "his", "her", "their", "that", "this", "from", "for", "into", "onto",
		"while", "there", "which", "one", "other", "another", "has", "was", "not", "out", "over", "being",
	}, strings.ToLower(word))
}

// shownBoxes is how many regions a picture shows.
const shownBoxes = 4

// boxes are the regions that telling words match best, the surest first, each once.
func (e *evaluation) boxes(i int, words []wordBest) []shownBox {
	if e.d.boxes == nil {
		return nil
	}
	regions := e.d.boxes[i]
	slices.SortStableFunc(words, func(a, b wordBest) int { return cmp.Compare(b.Similarity, a.Similarity) })
	at := map[int]int{} // place of a region among the boxes
	var out []shownBox
	for _, w := range words {
		if w.word.Silent || !telling(w.word.Text) || w.Region < 0 || w.Region >= len(regions) {
			continue
		}
		x := regions[w.Region]
		if region.Area(x) == 0 || x == (region.Box{0, 0, 1, 1}) {
			continue
		}
		if k, ok := at[w.Region]; ok {
			out[k].Label += ", " + w.word.Text
			continue
		}
		if len(out) == shownBoxes {
			continue
		}
		at[w.Region] = len(out)
		out = append(out, shownBox{100 * x[0], 100 * x[1], 100 * region.Width(x), 100 * region.Height(x), w.word.Text, w.word.Colour})
	}
	return out
}
