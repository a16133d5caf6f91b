package serve

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
)

// searchResponse is the answer to a search.
type searchResponse struct {
	Query    string          `json:"query"`
	Parts    []partAnswer    `json:"parts"`
	Warnings []string        `json:"warnings,omitempty"` // sentences for people
	Unknown  []unknownAnswer `json:"unknown,omitempty"`
	Hits     []hitAnswer     `json:"hits"`
	// NothingFits: the first hit is no more relevant than those of queries that make no sense.
	NothingFits bool               `json:"nothing_fits,omitempty"`
	Aligned     bool               `json:"aligned"` // false for an index without regions, or where they rank nothing
	Untrained   bool               `json:"untrained,omitempty"`
	Candidates  int                `json:"candidates"`
	Items       int                `json:"items"`
	Generation  uint64             `json:"generation"`
	Elapsed     map[string]float64 `json:"elapsed_ms"`
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

// unknownAnswer is a word that the model does not know.
type unknownAnswer struct {
	Word    string `json:"word"`
	Start   int    `json:"start"` // in bytes of the query, or of the part's text
	End     int    `json:"end"`
	Nearest string `json:"nearest,omitempty"` // a known word that may have been meant
}

type hitAnswer struct {
	Rank      int           `json:"rank"`
	ID        string        `json:"id"`
	Kind      string        `json:"kind"`
	Score     float32       `json:"score"`
	Relevance *float32      `json:"relevance,omitempty"` // absent where it is not known
	Match     float32       `json:"match"`
	MatchRank int           `json:"match_rank"`
	Align     float32       `json:"align"`
	Labelled  float32       `json:"labelled,omitempty"`
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
	Gain       float32    `json:"gain,omitempty"`
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

// search answers a checked request.
func (s *Server) search(ctx context.Context, req *search) (*searchResponse, error) {
	began := time.Now()
	if err := s.addPhotos(req); err != nil {
		return nil, err
	}
	info := s.info.Load()
	r, err := s.c.Search(ctx, req.query, &req.options)
	if err != nil {
		return nil, s.searchError(ctx, req, err)
	}
	for i, name := range req.photos {
		s.uploads.Put(name, r.Terms[i].Encoding, entrySize(name, encodingBytes(r.Terms[i].Encoding)))
	}
	out := &searchResponse{
		Query: req.typed, Warnings: r.Warnings, NothingFits: r.NothingFits, Aligned: r.Stats.Aligned, Untrained: r.Query.Untrained, Candidates: r.Stats.Candidates,
		Items: info.Items, Generation: info.Generation,
		Parts: make([]partAnswer, len(r.Terms)), Hits: make([]hitAnswer, max(0, len(r.Hits)-req.offset)),
	}
	for i := range r.Terms {
		out.Parts[i] = req.part(r, i)
	}
	for _, u := range r.Unknown {
		out.Unknown = append(out.Unknown, unknownAnswer{u.Text, u.Start, u.End, u.Nearest})
	}
	searched := time.Now()
	for i := range out.Hits {
		h := &r.Hits[req.offset+i]
		a := &out.Hits[i]
		*a = hitAnswer{Rank: req.offset + i + 1, ID: h.ID, Kind: h.Kind.String(), Score: h.Score, Match: h.Match, MatchRank: h.MatchRank, Align: h.Align, Labelled: h.Labelled, Coverage: h.Coverage,
			Photo: s.photoOf(h.ID), Words: req.words(r, h)}
		if h.Relevance >= 0 {
			a.Relevance = &h.Relevance
		}
		if f := h.Fields; f != nil {
			a.Text, a.Tags, a.Meta = f.Text, f.Tags, f.Meta
		}
	}
	now := time.Now()
	out.Elapsed = make(map[string]float64, stages)
	for stage, d := range [stages]time.Duration{r.Encode, r.Stats.Match, r.Stats.Align, r.Stats.Explain, now.Sub(searched), now.Sub(began)} {
		s.metrics.stages[stage].observe(d)
		out.Elapsed[stageNames[stage]] = math.Round(d.Seconds()*1e6) / 1e3
	}
	return out, nil
}

// searchError says which item of a query is not there.
func (s *Server) searchError(ctx context.Context, req *search, err error) error {
	if !errors.Is(err, index.ErrNotFound) {
		return err
	}
	for _, t := range req.query.Terms {
		if t.Item == "" {
			continue
		}
		if _, err := s.c.Index.Fields(ctx, t.Item); errors.Is(err, index.ErrNotFound) {
			return failf(http.StatusNotFound, "not_found", "the index has no item %q", t.Item)
		}
	}
	return err
}

// addPhotos puts the photos of a request into its query: encodings of those that were sent before, and of others
// what decodes them. It leaves the names by which they are remembered in req.photos.
func (s *Server) addPhotos(req *search) error {
	for i, ref := range req.photos {
		name, data := ref, req.uploads[ref]
		if data != nil {
			name = photoName(data)
		}
		req.photos[i] = name
		t := &req.query.Terms[i]
		if e, ok := s.uploads.Get(name); ok {
			t.Encoding = e
			continue
		}
		if data == nil {
			return failf(http.StatusGone, "photo_expired", "the photo that was sent before is no longer here; send it again")
		}
		if _, err := picture.Open(bytes.NewReader(data), &picture.Options{MaxPixels: s.opts.Limits.Pixels}); err != nil {
			return err
		}
		t.Input = aladin.Input{Name: name, Data: data}
	}
	return nil
}

// entrySize is what an entry takes of a cache's memory.
func entrySize(key string, value int64) int64 {
	const overhead = 128
	return value + int64(len(key)) + overhead
}

func encodingBytes(e *index.Encoding) int64 {
	n := 4*(len(e.Matching)+len(e.Tokens)+len(e.Weights)+4*len(e.Boxes)) + len(e.Text) + 32*len(e.Words)
	for _, l := range e.Labels {
		n += 16 + len(l)
	}
	return int64(n)
}

// part describes a term of the query.
func (s *search) part(r *aladin.Result, i int) partAnswer {
	t := &r.Terms[i]
	p := partAnswer{Weight: t.Weight}
	switch {
	case t.Item != "":
		p.Kind, p.Item = "item", t.Item
	case s.photos[i] != "":
		p.Kind, p.Photo = "photo", s.photos[i]
	default:
		p.Kind, p.Text, p.Words = "text", strings.TrimSpace(t.Input.Text), wordsOf(t.Encoding)
		for k := range p.Words {
			p.Words[k].Start += s.shift(t, i)
			p.Words[k].End += s.shift(t, i)
		}
	}
	return p
}

// shift is how many bytes into the typed query the text of a term begins; 0 for those that were not typed there.
func (s *search) shift(t *aladin.Term, i int) int {
	if i >= s.parsed {
		return 0
	}
	return t.At
}

// words says for a hit which word of which part matched which region.
func (s *search) words(r *aladin.Result, h *aladin.Hit) []matchAnswer {
	var out []matchAnswer
	ofHit := r.Query.Kind == index.Image && h.Kind == index.Caption // the words are the hit's, the regions the query's
	for _, m := range h.Words {
		a := matchAnswer{Word: m.Word, Start: m.Start, End: m.End, Weight: m.Weight,
			Region: m.Region, Similarity: m.Similarity, Box: m.Box, Label: m.Label, Gain: m.Gain}
		if !ofHit {
			part, token := r.Sources[m.Token][0], r.Sources[m.Token][1]
			t := &r.Terms[part]
			a.Part = part
			switch e := t.Encoding; {
			case e.Kind == index.Caption:
				a.Start, a.End = m.Start-t.At+s.shift(t, part), m.End-t.At+s.shift(t, part)
			case e.Kind == index.Image:
				a.Word = ""
				if e.Labels != nil {
					a.Word = e.Labels[token]
				}
				if e.Boxes != nil && h.Kind == index.Image {
					a.From = &e.Boxes[token]
				}
			}
		}
		out = append(out, a)
	}
	return out
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
