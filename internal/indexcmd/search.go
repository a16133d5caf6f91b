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
)

var searchVerb = cli.Verb{
	Name: "search", Args: `FILE --model BUNDLE [options] "a sentence" | --image PHOTO`, Summary: "find pictures by words, or words by pictures",
	About: `
Finds what fits a sentence or a photo best. Candidates are recalled by their vectors and ranked by how well
each word is found in a region; --explain shows where. A photo among photos finds its like; among captions,
those that describe it. A sentence may say what is not wanted: "a beach without people", "a beach -people".

  aladin-index search photos.aladin --model photos.model "a dog catches a frisbee"
  aladin-index search photos.aladin --model photos.model --explain -k 3 "two men on a red boat"
  aladin-index search photos.aladin --model photos.model --tag holiday "a beach without people"
  aladin-index search photos.aladin --model photos.model --image dog.jpg "at night"
`,
	Setup: func(f *cli.Flags) cli.Body {
		s := &search{}
		s.model.Register(f)
		s.tell.Register(f)
		f.StringVar(&s.image, "image", "", "look for the like of a `photo`, or for its captions; with a sentence, both count")
		f.StringVar(&s.like, "like", "", "look for the like of the item with this `id`")
		f.Float64Var(&s.weight, "weight", 1, "how much --image and --like count beside a sentence: a `number`, negative for what should not fit")
		f.Var(&s.without, "without", "a `sentence` that should not fit, as in \"-sentence\"; may be repeated")
		f.IntVar(&s.k, "k", index.DefaultK, "`number` of hits")
		f.IntVar(&s.candidates, "candidates", index.DefaultCandidates, "`number` of candidates that alignment ranks; 0 ranks by the vectors alone")
		f.Var(&s.tags, "tag", "only items with this `tag`; may be repeated, then all are wanted")
		f.StringVar(&s.filter, "filter", "", "only items whose tags pass a `condition` such as 'holiday and not (rain or fog)'")
		f.BoolVar(&s.explain, "explain", false, "show which word found which region")
		f.Group(cli.Advanced)
		f.BoolVar(&s.exact, "exact", false, "look at every item, also of a large index")
		f.IntVar(&s.probe, "probe", 0, "`number` of cells to look into; 0 chooses")
		f.Float64Var(&s.coverage, "min-coverage", 0, "leave out hits whose words are covered less than this `share` of the best hit's, 0 to 1")
		return s.find
	},
}

type search struct {
	model         modelflags.Flags
	tell          cli.Output
	image, like   string
	weight        float64
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
	Query    string   `json:"query"`
	Warnings []string `json:"warnings,omitempty"` // words that the model does not know
	Aligned  bool     `json:"aligned"`            // else ranked by match
	// Untrained: words show where something might be; nobody trained them to be compared with regions.
	Untrained bool `json:"untrained,omitempty"`
	// NothingFits: the first hit is no more relevant than those of queries that make no sense.
	NothingFits bool               `json:"nothing_fits,omitempty"`
	Hits        []answerHit        `json:"hits"`
	Elapsed     map[string]float64 `json:"elapsed_ms"`
}

type answerHit struct {
	Rank  int     `json:"rank"`
	ID    string  `json:"id"`
	Score float32 `json:"score"` // what ranks
	// Relevance is 0…1, to compare hits of any queries by; absent where it is not known.
	Relevance *float32     `json:"relevance,omitempty"`
	Match     float32      `json:"match"`
	Align     float32      `json:"align"`
	Labelled  float32      `json:"labelled,omitempty"` // what labels of its regions add to score
	Coverage  float32      `json:"coverage"`
	Text      string       `json:"text,omitempty"`
	Words     []answerWord `json:"words"`
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
	Gain       float32   `json:"gain,omitempty"` // the label means the word: what it adds, for each unit of weight
}

// options checks the flags that need no file.
func (s *search) options() (o aladin.SearchOptions, err error) {
	if s.k < 1 {
		return o, cli.Misuse("-k %d: want at least 1", s.k)
	}
	if s.candidates < 0 || s.probe < 0 {
		return o, cli.Misuse("--candidates %d --probe %d: want 0 or more", s.candidates, s.probe)
	}
	if s.weight == 0 || s.weight-s.weight != 0 {
		return o, cli.Misuse("--weight %v: want a number other than 0", s.weight)
	}
	if !(s.coverage >= 0 && s.coverage <= 1) {
		return o, cli.Misuse("--min-coverage %v: want 0 to 1", s.coverage)
	}
	o = aladin.SearchOptions{K: s.k, Candidates: max(s.candidates, s.k), MatchOnly: s.candidates == 0, Exact: s.exact, Probe: s.probe,
		MinShare: float32(s.coverage), WithFields: true, Tags: index.Tag(s.tags...)}
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

func (s *search) find(ctx context.Context, env cli.Env, args []string) (err error) {
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
	begin := time.Now()
	c, err := s.model.Collection(file, &aladin.Options{KeepGraphs: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	a.Elapsed["open"] = milliseconds(time.Since(begin))
	unknown, err := unknownTags(ctx, c.Index, s.tags)
	if err != nil {
		return err
	}
	if s.like, err = meantID(ctx, c.Index, s.like); err != nil {
		return err
	}
	q, name, err := s.query(words)
	if err != nil {
		return err
	}
	r, err := c.Search(ctx, q, &o)
	if err != nil {
		return err
	}
	r.Warnings = append(r.Warnings, unknown...)
	a.Query, a.Warnings, a.Aligned, a.Untrained, a.NothingFits = name, r.Warnings, r.Stats.Aligned, r.Query.Untrained, r.NothingFits
	for stage, d := range map[string]time.Duration{"encode": r.Encode, "match": r.Stats.Match, "align": r.Stats.Align, "explain": r.Stats.Explain,
		"total": time.Since(begin)} {
		a.Elapsed[stage] = milliseconds(d)
	}
	a.fill(r)
	if s.tell.JSON {
		return cli.WriteJSON(env.Stdout, a)
	}
	for _, w := range a.Warnings {
		fmt.Fprintln(env.Stderr, w)
	}
	return a.print(env, s.explain)
}

// query is what is searched for, and says it in words.
func (s *search) query(words []string) (*aladin.Query, string, error) {
	q := &aladin.Query{}
	var names []string
	add := func(name string, t aladin.Term) { q.Terms, names = append(q.Terms, t), append(names, name) }
	if len(words) > 0 {
		parsed, err := aladin.ParseQuery(words[0])
		if err != nil {
			return nil, "", cli.Misuse("%w", err)
		}
		q, names = parsed, words[:1:1]
	}
	if s.image != "" {
		add(s.image, aladin.Term{Input: aladin.ImageFile(s.image), Weight: float32(s.weight)})
	}
	if s.like != "" {
		add(s.like, aladin.Term{Item: s.like, Weight: float32(s.weight)})
	}
	for _, w := range s.without {
		add("without "+w, aladin.Term{Input: aladin.Text(w), Weight: aladin.Without})
	}
	return q, strings.Join(names, ", "), nil
}

func (a *answer) fill(r *aladin.Result) {
	for i, h := range r.Hits {
		out := answerHit{Rank: i + 1, ID: h.ID, Score: h.Score, Match: h.Match, Align: h.Align, Labelled: h.Labelled, Coverage: h.Coverage, Words: []answerWord{}}
		if h.Relevance >= 0 {
			out.Relevance = &h.Relevance
		}
		if h.Kind == index.Caption {
			out.Text = h.Fields.Text
		}
		for _, w := range h.Words {
			out.Words = append(out.Words, answerWord{w.Word, w.Start, w.End, w.Weight, w.Region, w.Similarity, w.Box, w.Label, w.Gain})
		}
		a.Hits = append(a.Hits, out)
	}
}

// print writes a table for people.
func (a *answer) print(env cli.Env, explain bool) error {
	if len(a.Hits) == 0 {
		fmt.Fprintln(env.Stderr, "nothing found")
		return nil
	}
	if explain {
		words := slices.ContainsFunc(a.Hits, func(h answerHit) bool { return len(h.Words) > 0 })
		switch {
		case !words:
			fmt.Fprintln(env.Stderr, "hits are not explained: the model, or the index, has no regions")
		case a.Untrained:
			fmt.Fprintln(env.Stderr, "untrained: the model was not taught where things are, so the regions are guesses")
		}
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	rated := slices.ContainsFunc(a.Hits, func(h answerHit) bool { return h.Relevance != nil })
	head := "rank"
	if rated {
		head += "\trelevance"
	}
	if a.Aligned {
		head += "\tscore"
	}
	head += "\tmatch"
	if a.Aligned {
		head += "\talign"
	}
	fmt.Fprintln(w, head+"\titem")
	for _, h := range a.Hits {
		row := fmt.Sprint(h.Rank)
		switch {
		case h.Relevance != nil:
			row += fmt.Sprintf("\t%.2f", *h.Relevance)
		case rated:
			row += "\t–"
		}
		if a.Aligned {
			row += fmt.Sprintf("\t%.2f\t%.3f\t%.2f", h.Score, h.Match, h.Align)
		} else {
			row += fmt.Sprintf("\t%.3f", h.Match)
		}
		row += "\t" + printable(h.ID)
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
