package aladin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/itemid"
	"github.com/aladin-go/aladin/weaviate"
)

// A Collection is what can be searched, with the model that reads queries. [Open] makes one of files; to search
// something else, fill in the fields. It is safe for concurrent use.
type Collection struct {
	// Model encodes what users ask with. Without one, queries are encodings and items of the index.
	Model Encoder
	Index index.Searcher
	// Images is the folder of the photos, if it is known: an item's id is its photo's path there.
	Images string
}

// An Encoder encodes what users ask with; a [Model] does.
type Encoder interface {
	Fingerprint() string
	Encode(ctx context.Context, in Input) (*Encoding, error)
	// Unknown are the words of a text that mean nothing to the encoder, and whether all of them do.
	Unknown(text string) (words []UnknownWord, all bool)
	Close() error
}

// Open opens a model's folder and an index that was built with it, as OpenIndex does. Close closes both.
func Open(model, file string, opts *Options) (*Collection, error) {
	m, err := OpenModel(model, opts)
	if err != nil {
		return nil, err
	}
	ix, err := OpenIndex(context.Background(), file, &index.Options{Model: m.Fingerprint(), Threads: m.opts.Threads})
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return &Collection{Model: m, Index: ix, Images: m.opts.Images}, nil
}

// OpenIndex opens an index by its name: a file, or a collection in an engine, weaviate://host[:port[:grpc-port]][,host…]/Class
// (see package weaviate). Of the options, Model holds for both and the others for files.
func OpenIndex(ctx context.Context, name string, opts *index.Options) (index.Searcher, error) {
	if !weaviate.IsAddress(name) {
		ix, err := index.Open(name, opts)
		if err != nil {
			return nil, err // and no Searcher that is a nil Index
		}
		return ix, nil
	}
	o := &weaviate.Options{}
	if opts != nil {
		o.Model = opts.Model
	}
	c, err := weaviate.Open(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the model and the index.
func (c *Collection) Close() error {
	err := c.Index.Close()
	if c.Model != nil {
		err = errors.Join(err, c.Model.Close())
	}
	return err
}

// A Hit is an item that a search found.
type Hit struct {
	index.Hit
	// File is the photo of the item, or of the caption's image, if it lies in the Collection's folder.
	File string
	// Relevance is how likely the item is what was asked for, 0…1, to compare hits of any queries of a model by. It does
	// not depend on filters, nor on what else was found. Only a model that is calibrated knows it, of images that a text finds;
	// else it is negative.
	Relevance float32
}

// A Result is what a search found.
type Result struct {
	Hits []Hit // the best first
	// NothingFits says that the relevance of the first hit is like that of queries which make no sense.
	NothingFits bool

	Query *Encoding // the sum of the terms
	Terms []Term    // with their encodings and weights
	// Sources says for each token of Query which token of which term it is.
	Sources [][2]int
	// Warnings are sentences for people: that nothing fits, and about words that the model does not or hardly know and
	// texts that it does not read to their ends.
	Warnings []string
	// Unknown are those words; Start and End are places in the typed query where the term has a place there.
	Unknown []UnknownWord

	Encode time.Duration     // spent on encoding the query
	Stats  index.SearchStats // about the rest
}

// Ask searches by a query as people type it: see [ParseQuery] and Search.
func (c *Collection) Ask(ctx context.Context, query string, o *SearchOptions) (*Result, error) {
	q, err := ParseQuery(query)
	if err != nil {
		return nil, err
	}
	return c.Search(ctx, q, o)
}

// Search finds the items that fit a query best. Candidates are recalled by their vectors and ranked by alignment and,
// with a model that is calibrated, matching (see [index.Ranking]), and each hit says which word found which region and
// how relevant it is. Items that are wanted terms of the query are no hits.
func (c *Collection) Search(ctx context.Context, q *Query, o *SearchOptions) (*Result, error) {
	if q == nil {
		q = &Query{}
	}
	if c.Model != nil {
		if a, b := c.Model.Fingerprint(), c.Index.Model(); a != b && b != "" {
			return nil, mismatch(a, b)
		}
	}
	began := time.Now()
	r := &Result{}
	var opts SearchOptions
	if o != nil {
		opts = *o
	}
	for i, t := range q.Terms {
		if t.Weight == 0 {
			t.Weight = 1
		}
		if err := c.encode(ctx, &t, r); err != nil {
			if len(q.Terms) > 1 {
				err = fmt.Errorf("term %d of the query: %w", i+1, err)
			}
			return nil, err
		}
		if t.Item != "" && t.Weight > 0 {
			opts.Exclude = append(opts.Exclude[:len(opts.Exclude):len(opts.Exclude)], t.Item)
		}
		r.Terms = append(r.Terms, t)
	}
	var err error
	if r.Query, r.Sources, err = compose(q.text, r.Terms); err != nil {
		return nil, err
	}
	r.Encode = time.Since(began)
	if m, ok := c.Model.(*Model); ok && !m.mode.MaxSim() && !opts.MatchOnly {
		r.Warnings = append(r.Warnings, fmt.Sprintf("Hits are ranked by their vectors alone: the model aligns by %s, which a search cannot.", m.mode))
	}
	if m, ok := c.Model.(*Model); ok && opts.Device == nil && !opts.MatchOnly {
		if opts.Device, err = m.device(); err != nil {
			return nil, err
		}
	}
	opts.Stats = &r.Stats
	hits, err := c.Index.Search(ctx, r.Query, &opts)
	if err != nil {
		return nil, err
	}
	if o != nil && o.Stats != nil {
		*o.Stats = r.Stats
	}
	r.Hits = make([]Hit, len(hits))
	for i, h := range hits {
		r.Hits[i] = Hit{Hit: h, File: c.file(h.ID), Relevance: notRated}
	}
	if m, ok := c.Model.(*Model); ok {
		return r, m.rate(ctx, r)
	}
	return r, nil
}

// encode encodes a term, unless it is encoded.
func (c *Collection) encode(ctx context.Context, t *Term, r *Result) (err error) {
	switch {
	case t.Encoding != nil:
	case t.Item != "":
		it, err := c.Index.Item(ctx, t.Item)
		if err != nil {
			return err
		}
		t.Encoding = it.Encoding
		if m, ok := c.Model.(*Model); ok { // the index does not know it
			t.Encoding.Untrained, t.Encoding.Ranking = m.Info().Untrained, m.ranking
		}
	case c.Model == nil:
		return errNoModel
	default:
		if t.Encoding, err = c.Model.Encode(ctx, t.Input); err != nil {
			return err
		}
		if text := t.Input.Text; t.Input.is() == textInput {
			if n := t.Encoding.Unread; n > 0 {
				r.Warnings = append(r.Warnings, cutWarning(t.Encoding.Text, n))
			}
			unknown, all := c.Model.Unknown(text)
			if w := warning(text, unknown, all); w != "" {
				r.Warnings = append(r.Warnings, w)
			}
			if m, ok := c.Model.(*Model); ok {
				for _, w := range m.Rare(text) {
					r.Warnings = append(r.Warnings, w.warning())
				}
			}
			for _, u := range unknown {
				u.Start, u.End = u.Start+t.At, u.End+t.At
				r.Unknown = append(r.Unknown, u)
			}
		}
	}
	return nil
}

// file is the photo of an item, if it is there. That of a caption, IMAGE#NUMBER, is its image's.
func (c *Collection) file(id string) string {
	if c.Images == "" {
		return ""
	}
	for _, name := range itemid.Photos(id) {
		path := filepath.Join(c.Images, filepath.FromSlash(name))
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// Search finds the items of an index that fit an encoded query best. The model that encoded it may be given, to be
// sure that it made the index too, or nil.
func Search(ctx context.Context, m *Model, ix index.Searcher, q *Encoding, o *SearchOptions) ([]Hit, error) {
	c := &Collection{Index: ix}
	if m != nil {
		c.Model = m
	}
	r, err := c.Search(ctx, &Query{Terms: []Term{{Encoding: q}}}, o)
	if err != nil {
		return nil, err
	}
	return r.Hits, nil
}
