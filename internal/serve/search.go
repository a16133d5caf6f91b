package serve

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
)

// searchResponse is the answer to a search.
type searchResponse struct {
	Query      string             `json:"query"`
	Parts      []partAnswer       `json:"parts"`
	Warnings   []string           `json:"warnings,omitempty"` // sentences for people
	Hits       []hitAnswer        `json:"hits"`
	Aligned    bool               `json:"aligned"` // false for an index without regions
	Candidates int                `json:"candidates"`
	Items      int                `json:"items"`
	Generation uint64             `json:"generation"`
	Elapsed    map[string]float64 `json:"elapsed_ms"`
}

// partAnswer is a part of the query as it was understood.
type partAnswer struct {
	Kind   string       `json:"kind"` // text, item or photo
	Text   string       `json:"text,omitempty"`
	Item   string       `json:"item,omitempty"`
	Photo  string       `json:"photo,omitempty"` // the name to refer to it by in later searches
	Weight float32      `json:"weight"`
	Words  []wordAnswer `json:"words,omitempty"`
}

// wordAnswer is a word of a text with what it counts in the alignment score.
type wordAnswer struct {
	Word   string  `json:"word"`
	Start  int     `json:"start"`
	End    int     `json:"end"`
	Weight float32 `json:"weight"`
}

type hitAnswer struct {
	Rank      int           `json:"rank"`
	ID        string        `json:"id"`
	Kind      string        `json:"kind"`
	Match     float32       `json:"match"`
	MatchRank int           `json:"match_rank"`
	Align     float32       `json:"align"`
	Coverage  float32       `json:"coverage"`
	Text      string        `json:"text,omitempty"`
	Tags      []string      `json:"tags,omitempty"`
	Meta      rawJSON       `json:"meta,omitempty"`
	Photo     *photoAnswer  `json:"photo,omitempty"`
	Words     []matchAnswer `json:"words,omitempty"`
}

// photoAnswer is where an item's photo is, and its size.
type photoAnswer struct {
	URL    string `json:"url"`
	Thumb  string `json:"thumb"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// matchAnswer is a word and the region that it matched best. When the query is a
// picture, its regions stand in for words and From is where they are.
type matchAnswer struct {
	Part       int        `json:"part"`
	Word       string     `json:"word"`
	Start      int        `json:"start"`
	End        int        `json:"end"`
	Weight     float32    `json:"weight"`
	Region     int        `json:"region"`
	Similarity float32    `json:"similarity"`
	Box        index.Box  `json:"box"`
	Label      string     `json:"label,omitempty"`
	From       *index.Box `json:"from,omitempty"`
}

// stage times the steps of a search, in the order of a search.
type stage int

const (
	stageEncode stage = iota
	stageMatch
	stageAlign
	stageExplain
	stageLookup // what is stored of the hits, and the sizes of their photos
	stageTotal
	stages
)

var stageNames = [stages]string{"encode", "match", "align", "explain", "lookup", "total"}

// stopwatch adds up the time of each stage.
type stopwatch struct {
	last  time.Time
	spent [stages]time.Duration
}

func newStopwatch() *stopwatch { return &stopwatch{last: time.Now()} }

// lap books the time since the last lap.
func (w *stopwatch) lap(s stage) {
	now := time.Now()
	w.spent[s] += now.Sub(w.last)
	w.spent[stageTotal] += now.Sub(w.last)
	w.last = now
}

func (w *stopwatch) millis() map[string]float64 {
	out := make(map[string]float64, stages)
	for s, d := range w.spent {
		out[stageNames[s]] = math.Round(d.Seconds()*1e6) / 1e3
	}
	return out
}

// queryPart is a part of a query, encoded.
type queryPart struct {
	spec   partSpec
	answer partAnswer
	enc    *index.Encoding
}

// search answers a checked request.
func (s *Server) search(ctx context.Context, req *search) (*searchResponse, error) {
	w := newStopwatch()
	// An item can vanish with a new commit between two steps.
	const tries = 4
	for try := 1; ; try++ {
		out, err := s.searchOnce(ctx, req, w)
		if err == nil {
			for st, d := range w.spent {
				s.metrics.stages[st].observe(d)
			}
			return out, nil
		}
		var p *problem
		if try == tries || !errors.Is(err, index.ErrNotFound) || errors.As(err, &p) {
			return nil, err
		}
	}
}

func (s *Server) searchOnce(ctx context.Context, req *search, w *stopwatch) (*searchResponse, error) {
	parts, err := s.encodeParts(ctx, req)
	if err != nil {
		return nil, err
	}
	whole, err := combine(parts)
	if err != nil {
		return nil, err
	}
	w.lap(stageEncode)
	q := index.Query{K: req.candidates, Tags: req.tags, Kinds: req.kinds, Exact: req.exact}
	for _, p := range parts {
		if p.spec.Item != "" && p.answer.Weight > 0 {
			q.Exclude = append(q.Exclude, p.spec.Item) // everybody knows that it is like itself
		}
	}
	found, err := s.ix.Match(ctx, whole, q)
	if err != nil {
		return nil, err
	}
	matchRank := make(map[string]int, len(found))
	for i := range found {
		matchRank[found[i].ID] = i + 1
	}
	w.lap(stageMatch)
	hits, err := s.align(ctx, parts, found)
	aligned := err == nil
	if errors.Is(err, index.ErrNoTokens) {
		hits, err = found, nil
	}
	if err != nil {
		return nil, err
	}
	hits = hits[:min(req.k, len(hits))]
	w.lap(stageAlign)
	info := s.info.Load()
	out := &searchResponse{
		Query: req.query, Aligned: aligned, Candidates: len(found),
		Items: info.Items, Generation: info.Generation,
		Parts: make([]partAnswer, len(parts)), Hits: make([]hitAnswer, len(hits)),
	}
	for i := range parts {
		out.Parts[i] = parts[i].answer
		if u, ok := s.model.(unknowner); ok && parts[i].answer.Kind == "text" {
			words, all := u.Unknown(parts[i].answer.Text)
			if w := Warning(parts[i].answer.Text, words, all); w != "" {
				out.Warnings = append(out.Warnings, w)
			}
		}
	}
	for i, h := range hits {
		a := &out.Hits[i]
		*a = hitAnswer{Rank: i + 1, ID: h.ID, Kind: h.Kind.String(), Match: h.Match, MatchRank: matchRank[h.ID], Align: h.Align, Coverage: h.Coverage}
	}
	if aligned && req.explain {
		if err := s.explain(ctx, parts, hits, out.Hits); err != nil {
			return nil, err
		}
	}
	w.lap(stageExplain)
	for i := range out.Hits {
		if err := s.describe(ctx, &out.Hits[i]); err != nil {
			return nil, err
		}
	}
	w.lap(stageLookup)
	out.Elapsed = w.millis()
	return out, nil
}

// encodeParts encodes the parts of a query.
func (s *Server) encodeParts(ctx context.Context, req *search) ([]queryPart, error) {
	parts := make([]queryPart, len(req.parts))
	for i, spec := range req.parts {
		p := &parts[i]
		p.spec, p.answer.Weight = spec, spec.weight()
		var err error
		switch {
		case spec.Text != "":
			p.answer.Kind, p.answer.Text = "text", strings.TrimSpace(spec.Text)
			if p.enc, err = s.model.EncodeText(ctx, spec.Text); err == nil {
				p.enc = weighWords(p.enc, spec.WordWeights)
				p.answer.Words = wordsOf(p.enc)
			}
		case spec.Item != "":
			p.answer.Kind, p.answer.Item = "item", spec.Item
			var it *index.Item
			it, err = s.ix.Item(ctx, spec.Item)
			switch {
			case errors.Is(err, index.ErrNotFound):
				err = failf(404, "not_found", "the index has no item %q", spec.Item)
			case err == nil:
				p.enc = it.Encoding
			}
		default:
			p.answer.Kind = "photo"
			p.answer.Photo, p.enc, err = s.encodePhoto(ctx, spec.Photo, req.photos)
		}
		if err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func (s *Server) encodePhoto(ctx context.Context, ref string, uploads map[string][]byte) (string, *index.Encoding, error) {
	name, data := ref, uploads[ref]
	if data != nil {
		name = photoName(data)
	}
	if e, ok := s.uploads.get(name); ok {
		return name, e, nil
	}
	if data == nil {
		return "", nil, failf(410, "photo_expired", "the photo that was sent before is no longer here; send it again")
	}
	if _, err := picture.Open(bytes.NewReader(data), &picture.Options{MaxPixels: s.opts.Limits.Pixels}); err != nil {
		return "", nil, err
	}
	e, err := s.model.EncodePhoto(ctx, data)
	if err != nil {
		return "", nil, err
	}
	s.uploads.put(name, e, encodingBytes(e))
	return name, e, nil
}

func encodingBytes(e *index.Encoding) int64 {
	n := 4*(len(e.Matching)+len(e.Tokens)+len(e.Weights)+4*len(e.Boxes)) + len(e.Text) + 32*len(e.Words)
	for _, l := range e.Labels {
		n += 16 + len(l)
	}
	return int64(n)
}

// weighWords returns the encoding with its words weighed; the original, which a
// cache may hold, stays as it is.
func weighWords(e *index.Encoding, ws []wordWeight) *index.Encoding {
	if len(ws) == 0 || len(e.Words) == 0 {
		return e
	}
	out := *e
	out.Weights = slices.Clone(e.Weights)
	if out.Weights == nil {
		out.Weights = slices.Repeat([]float32{1}, len(e.Words))
	}
	for _, w := range ws {
		for i, word := range e.Words {
			if word.Start < w.End && w.Start < word.End {
				out.Weights[i] *= w.Weight
			}
		}
	}
	return &out
}

// wordsOf lists the words of a text, each once, those that count nothing too: what
// is shown to be weighed. Tokens that are no word, such as [CLS], are left out.
func wordsOf(e *index.Encoding) []wordAnswer {
	var out []wordAnswer
	for i, w := range e.Words {
		if w.Start == w.End {
			continue
		}
		weight := float32(1)
		if e.Weights != nil {
			weight = e.Weights[i]
		}
		if n := len(out); n > 0 && out[n-1].Start == w.Start && out[n-1].End == w.End {
			out[n-1].Weight += weight
			continue
		}
		out = append(out, wordAnswer{Word: w.Text, Start: w.Start, End: w.End, Weight: weight})
	}
	return out
}

// combine adds the matching vectors of the parts, each times its weight.
func combine(parts []queryPart) (*index.Encoding, error) {
	if len(parts) == 1 && parts[0].answer.Weight > 0 {
		return parts[0].enc, nil
	}
	first := parts[0].enc
	sum := make([]float64, len(first.Matching))
	for i, p := range parts {
		if len(p.enc.Matching) != len(sum) {
			return nil, fmt.Errorf("part %d: matching vector of %d values, others have %d", i, len(p.enc.Matching), len(sum))
		}
		for j, x := range p.enc.Matching {
			sum[j] += float64(p.answer.Weight) * float64(x)
		}
	}
	var norm float64
	for _, x := range sum {
		norm += x * x
	}
	norm = math.Sqrt(norm)
	const least = 1e-6 // below it only rounding is left
	if norm < least {
		return nil, badRequest("cancelled_out", "the parts of the query cancel each other out")
	}
	e := &index.Encoding{Kind: first.Kind, Model: first.Model, Matching: make([]float32, len(sum))}
	for j, x := range sum {
		e.Matching[j] = float32(x / norm)
	}
	return e, nil
}

// align scores candidates part by part and ranks them by the weighted sum.
func (s *Server) align(ctx context.Context, parts []queryPart, found []index.Hit) ([]index.Hit, error) {
	if len(parts) == 1 && parts[0].answer.Weight == 1 {
		return s.ix.Align(ctx, parts[0].enc, found)
	}
	type sum struct {
		hit             index.Hit
		align, coverage float32
		parts           int
	}
	sums := make(map[string]*sum, len(found))
	var positive float32
	for _, p := range parts {
		w := p.answer.Weight
		positive += max(w, 0)
		hits, err := s.ix.Align(ctx, p.enc, found)
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			t := sums[h.ID]
			if t == nil {
				t = &sum{hit: h}
				sums[h.ID] = t
			}
			t.align += w * h.Align
			t.coverage += max(w, 0) * h.Coverage
			t.parts++
		}
	}
	out := make([]index.Hit, 0, len(sums))
	for _, t := range sums {
		if t.parts != len(parts) {
			continue // deleted meanwhile
		}
		t.hit.Align, t.hit.Coverage = t.align, 0
		if positive > 0 {
			t.hit.Coverage = t.coverage / positive
		}
		out = append(out, t.hit)
	}
	slices.SortFunc(out, func(a, b index.Hit) int {
		return cmp.Or(cmp.Compare(b.Align, a.Align), cmp.Compare(b.Match, a.Match), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

// explain says for each hit which word of which part matched which region.
func (s *Server) explain(ctx context.Context, parts []queryPart, hits []index.Hit, out []hitAnswer) error {
	for pi, p := range parts {
		explained, err := s.ix.Explain(ctx, p.enc, hits)
		if err != nil {
			return err
		}
		for i := range explained {
			words := explained[i].Words
			from := wordSources(p.enc, len(words))
			for j, m := range words {
				a := matchAnswer{Part: pi, Word: m.Word, Start: m.Start, End: m.End, Weight: p.answer.Weight * m.Weight,
					Region: m.Region, Similarity: m.Similarity, Box: m.Box, Label: m.Label}
				if from != nil && explained[i].Kind == index.Image {
					a.From = &from[j]
				}
				out[i].Words = append(out[i].Words, a)
			}
		}
	}
	return nil
}

// wordSources returns the boxes of a picture's regions that take part, which is
// the order in which Explain lists them; nil for a text.
func wordSources(e *index.Encoding, n int) []index.Box {
	if e.Kind != index.Image || e.Boxes == nil {
		return nil
	}
	var out []index.Box
	for i, b := range e.Boxes {
		if e.Weights == nil || e.Weights[i] != 0 {
			out = append(out, b)
		}
	}
	if len(out) != n {
		return nil
	}
	return out
}
