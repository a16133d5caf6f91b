package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/serve"
)

var searchVerb = cli.Verb{
	Name: "search", Args: `FILE --model BUNDLE [options] "a sentence" | --image PHOTO`, Summary: "find pictures by words, or words by pictures",
	About: `
Finds what fits a sentence or a photo best. Candidates are recalled by their vectors and ranked by how well
each word is found in a region; --explain shows where. A photo among photos finds its like; among captions,
those that describe it.

  aladin-index search photos.aladin --model photos.model "a dog catches a frisbee"
  aladin-index search photos.aladin --model photos.model --explain -k 3 "two men on a red boat"
  aladin-index search photos.aladin --model photos.model --tag holiday --without people "a beach"
  aladin-index search photos.aladin --model photos.model --image dog.jpg "at night"
`,
	Setup: func(f *cli.Flags) cli.Body {
		s := &search{}
		s.model.Register(f)
		s.tell.Register(f)
		f.StringVar(&s.image, "image", "", "look for the like of a `photo`, or for its captions; with a sentence, both count")
		f.StringVar(&s.like, "like", "", "look for the like of the item with this `id`")
		f.Var(&s.without, "without", "a `sentence` that should not fit; may be repeated")
		f.IntVar(&s.k, "k", 10, "`number` of hits")
		f.IntVar(&s.candidates, "candidates", 200, "`number` of candidates that alignment ranks; 0 ranks by the vectors alone")
		f.Var(&s.tags, "tag", "only items with this `tag`; may be repeated, then all are wanted")
		f.StringVar(&s.filter, "filter", "", "only items whose tags pass a `condition` such as 'holiday and not (rain or fog)'")
		f.BoolVar(&s.explain, "explain", false, "show which word found which region")
		f.Group(cli.Advanced)
		f.BoolVar(&s.exact, "exact", false, "look at every item, also of a large index")
		f.IntVar(&s.probe, "probe", 0, "`number` of cells to look into; 0 chooses")
		f.Float64Var(&s.coverage, "min-coverage", 0, "leave out hits whose words are covered less than this `share` of the best hit's, 0 to 1")
		return s.run
	},
}

// unwanted is the weight of a sentence that should not fit.
const unwanted = -0.7

type search struct {
	model         modelflags.Flags
	tell          cli.Output
	image, like   string
	without, tags cli.List
	k, candidates int
	filter        string
	explain       bool
	exact         bool
	probe         int
	coverage      float64
}

// answer is the JSON document.
type answer struct {
	Query    string             `json:"query"`
	Warnings []string           `json:"warnings,omitempty"` // words that the model does not know
	Aligned  bool               `json:"aligned"`            // else ranked by match
	Hits     []answerHit        `json:"hits"`
	Elapsed  map[string]float64 `json:"elapsed_ms"`
}

type answerHit struct {
	Rank     int          `json:"rank"`
	ID       string       `json:"id"`
	Match    float32      `json:"match"`
	Align    float32      `json:"align"`
	Coverage float32      `json:"coverage"`
	Text     string       `json:"text,omitempty"`
	Words    []answerWord `json:"words"`
}

type answerWord struct {
	Word       string    `json:"word"`
	Start      int       `json:"start"`
	End        int       `json:"end"`
	Weight     float32   `json:"weight"`
	Region     int       `json:"region"` // −1: the item has none
	Similarity float32   `json:"similarity"`
	Box        index.Box `json:"box"`
	Label      string    `json:"label,omitempty"`
}

// options checks the flags that need no file.
func (s *search) options() (o aladin.SearchOptions, err error) {
	if s.k < 1 {
		return o, cli.Misuse("-k %d: want at least 1", s.k)
	}
	if s.candidates < 0 || s.probe < 0 {
		return o, cli.Misuse("--candidates %d --probe %d: want 0 or more", s.candidates, s.probe)
	}
	if !(s.coverage >= 0 && s.coverage <= 1) {
		return o, cli.Misuse("--min-coverage %v: want 0 to 1", s.coverage)
	}
	o = aladin.SearchOptions{K: s.k, Candidates: max(s.candidates, s.k), MatchOnly: s.candidates == 0, Exact: s.exact, Probe: s.probe,
		Relevance: index.Relevance{Share: float32(s.coverage)}, Tags: index.AllTags(s.tags...)}
	if s.filter != "" {
		condition, err := index.ParseFilter(s.filter)
		if err != nil {
			return o, cli.Misuse("--filter: %w", err)
		}
		if o.Tags == nil {
			o.Tags = condition
		} else {
			o.Tags = index.And(o.Tags, condition)
		}
	}
	return o, nil
}

func (s *search) run(ctx context.Context, env cli.Env, args []string) (err error) {
	if len(args) == 0 {
		return missingFile()
	}
	file, words := args[0], args[1:]
	if len(words) > 1 {
		return cli.Misuse("quote the sentence: %q", strings.Join(words, " "))
	}
	if len(words) == 0 && s.image == "" && s.like == "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !strings.Contains(file, "://") {
			return cli.Misuse("FILE is missing: %q is no index file, which comes before what to search for", file)
		}
		return cli.Misuse("what to search for? Give a sentence, --image or --like")
	}
	o, err := s.options()
	if err != nil {
		return err
	}
	a := &answer{Hits: []answerHit{}, Elapsed: map[string]float64{}}
	start := time.Now()
	lap := func(stage string) {
		a.Elapsed[stage] = milliseconds(time.Since(start))
		start = time.Now()
	}
	begin := start
	m, err := s.model.Open(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	ix, err := index.Open(file, &index.Options{Model: m.Fingerprint(), Threads: s.model.Threads})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	lap("open")
	q, name, err := s.query(ctx, m, ix, words)
	if err != nil {
		return err
	}
	lap("encode")
	a.Query = name
	for _, text := range slices.Concat(words, s.without) {
		unknown, all := m.Unknown(text)
		if w := serve.Warning(text, unknown, all); w != "" {
			a.Warnings = append(a.Warnings, w)
		}
	}
	if s.like != "" {
		o.Exclude = []string{s.like}
	}
	o.Timing = func(stage aladin.Stage, d time.Duration) { a.Elapsed[string(stage)] = milliseconds(d) }
	hits, err := aladin.Search(ctx, m, ix, q, o)
	if err != nil {
		return err
	}
	a.Elapsed["total"] = milliseconds(time.Since(begin))
	if err := a.fill(ctx, ix, hits); err != nil {
		return err
	}
	if s.tell.JSON {
		return cli.WriteJSON(env.Stdout, a)
	}
	for _, w := range a.Warnings {
		fmt.Fprintln(env.Stderr, w)
	}
	return a.print(env, s.explain)
}

// query encodes what is searched for and says it in words.
func (s *search) query(ctx context.Context, m *aladin.Model, ix *index.Index, words []string) (*aladin.Encoding, string, error) {
	var terms []aladin.Term
	var names []string
	add := func(in aladin.Input, weight float32, name string) error {
		e, err := m.Encode(ctx, in)
		if err != nil {
			return err
		}
		terms, names = append(terms, aladin.Term{Encoding: e, Weight: weight}), append(names, name)
		return nil
	}
	for _, w := range words {
		if err := add(aladin.Text(w), 1, w); err != nil {
			return nil, "", err
		}
	}
	if s.image != "" {
		if err := add(aladin.ImageFile(s.image), 1, s.image); err != nil {
			return nil, "", err
		}
	}
	if s.like != "" {
		it, err := ix.Item(ctx, s.like)
		if err != nil {
			return nil, "", fmt.Errorf("--like %q: %w", s.like, err)
		}
		terms, names = append(terms, aladin.Term{Encoding: it.Encoding, Weight: 1}), append(names, s.like)
	}
	for _, w := range s.without {
		if err := add(aladin.Text(w), unwanted, "without "+w); err != nil {
			return nil, "", err
		}
	}
	name := strings.Join(names, ", ")
	if len(terms) == 1 {
		return terms[0].Encoding, name, nil
	}
	q, err := aladin.Sum(terms...)
	return q, name, err
}

func (a *answer) fill(ctx context.Context, ix *index.Index, hits []aladin.Hit) error {
	for i, h := range hits {
		out := answerHit{Rank: i + 1, ID: h.ID, Match: h.Match, Align: h.Align, Coverage: h.Coverage, Words: []answerWord{}}
		if h.Kind == index.Caption {
			fields, err := ix.Fields(ctx, h.ID)
			if err != nil {
				return err
			}
			out.Text = fields.Text
		}
		for _, w := range h.Words {
			out.Words = append(out.Words, answerWord{w.Word, w.Start, w.End, w.Weight, w.Region, w.Similarity, w.Box, w.Label})
		}
		a.Aligned = a.Aligned || h.Words != nil
		a.Hits = append(a.Hits, out)
	}
	return nil
}

// print writes a table for people.
func (a *answer) print(env cli.Env, explain bool) error {
	if len(a.Hits) == 0 {
		fmt.Fprintln(env.Stderr, "nothing found")
		return nil
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	head := "rank\tmatch"
	if a.Aligned {
		head += "\talign\tcovered"
	}
	fmt.Fprintln(w, head+"\titem")
	for _, h := range a.Hits {
		row := fmt.Sprintf("%d\t%.3f", h.Rank, h.Match)
		if a.Aligned {
			row += fmt.Sprintf("\t%.2f\t%.0f %%", h.Align, 100*h.Coverage)
		}
		row += "\t" + h.ID
		if h.Text != "" {
			row += "\t" + h.Text
		}
		fmt.Fprintln(w, row)
		if !explain {
			continue
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, word := range h.Words {
			fmt.Fprintf(w, "     %s\t%s\n", word.Word, word.place())
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return w.Flush()
}

// place says where a word was found.
func (w *answerWord) place() string {
	if w.Region < 0 {
		return "–"
	}
	label := ""
	if w.Label != "" {
		label = fmt.Sprintf("  %q", w.Label)
	}
	return fmt.Sprintf("%.2f\tregion %d\t%.2f %.2f %.2f %.2f%s", w.Similarity, w.Region, w.Box[0], w.Box[1], w.Box[2], w.Box[3], label)
}
