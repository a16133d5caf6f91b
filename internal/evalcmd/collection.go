package evalcmd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/eval"
)

// A collection is the images in an index, or in an engine: what single queries search, as users do.
type collection struct {
	index.Searcher
	file   *index.Index   // the same, of a temporary one
	at     map[string]int // image by id
	folder string         // of an index that is gone afterwards; "" if it is the user's
}

// collect puts the images into a temporary index.
func (e *evaluation) collect(ctx context.Context, o index.BuildOptions) (_ *collection, err error) {
	d := e.d
	c := &collection{at: make(map[string]int, len(d.images))}
	if c.folder, err = os.MkdirTemp("", "aladin-eval-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("an index of the images, to search in: %w", err), os.RemoveAll(c.folder))
		}
	}()
	if o.Model = d.model; o.Model == "" {
		o.Model = "unknown"
	}
	if !e.searchAligns() {
		o.Regions = index.None
	}
	path := filepath.Join(c.folder, "images.aladin")
	b, err := index.NewBuilder(path, &o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	vectors := atMostUnit(d.imageVectors)
	for i := range d.images {
		id := fmt.Sprintf("%09d", i) // ties are decided by id
		c.at[id] = i
		enc := &index.Encoding{Kind: index.Image, Model: o.Model, Matching: vectors.Row(i)}
		if o.Regions != index.None {
			enc.Tokens, enc.Weights = d.imageTokens.rows(i), d.imageTokens.weightsOf(i)
			if d.labels != nil && len(d.labels[i]) == enc.N() {
				enc.Labels = d.labels[i]
			}
		}
		if err := b.Add(ctx, index.Item{ID: id, Encoding: enc}); err != nil {
			return nil, fmt.Errorf("%s: %w", d.images[i], err)
		}
	}
	if err := b.Finish(ctx); err != nil {
		return nil, err
	}
	c.file, err = index.Open(path, &index.Options{Threads: e.threads})
	c.Searcher = c.file
	return c, err
}

// searched is the index that was given, or a temporary one in an index's usual codecs.
func (e *evaluation) searched(ctx context.Context) (*collection, error) {
	if e.d.index != nil {
		return &collection{Searcher: e.d.index, at: places(e.d.images)}, nil
	}
	return e.collect(ctx, index.BuildOptions{})
}

// atMostUnit makes all vectors shorter by one factor, so that an index takes the longest and they rank as they did:
// dumps of others may hold vectors of any length.
func atMostUnit(v eval.Vectors) eval.Vectors {
	longest := 1.0
	for i := range v.Len() {
		var sum float64
		for _, x := range v.Row(i) {
			sum += float64(x) * float64(x)
		}
		longest = max(longest, math.Sqrt(sum))
	}
	if longest == 1 {
		return v
	}
	out := eval.Vectors{Dim: v.Dim, Data: make([]float32, len(v.Data))}
	for i, x := range v.Data {
		out.Data[i] = float32(float64(x) / longest)
	}
	return out
}

// searchAligns says whether a search ranks by alignment.
func (e *evaluation) searchAligns() bool {
	return e.d.imageTokens != nil && e.alignment != "none" && e.d.mode.MaxSim()
}

// query is caption k as a query.
func (e *evaluation) query(c *collection, k int) *index.Encoding {
	d := e.d
	enc := &index.Encoding{Kind: index.Caption, Model: c.Model(), Matching: d.captionVectors.Row(k), Ranking: d.ranking}
	if d.rankings != nil {
		enc.Ranking = d.rankings[k]
	}
	if d.captionTokens != nil {
		enc.Tokens, enc.Weights = d.captionTokens.rows(k), d.captionTokens.weightsOf(k)
	}
	return enc
}

// images are the places of hits; −1 for an item that is not among the images.
func (c *collection) images(hits []index.Hit) []int {
	out := make([]int, len(hits))
	for k, h := range hits {
		i, ok := c.at[h.ID]
		if !ok {
			i = -1
		}
		out[k] = i
	}
	return out
}

// close removes a temporary index.
func (c *collection) close() error {
	if c.folder == "" {
		return nil
	}
	return errors.Join(c.Close(), os.RemoveAll(c.folder))
}

// bytesPerItem is what an item takes in the index, or in some kinds of its sections.
func (c *collection) bytesPerItem(ctx context.Context, kinds ...string) (float64, error) {
	info, err := c.Info(ctx)
	if err != nil {
		return 0, err
	}
	if len(kinds) == 0 {
		return info.BytesPerItem, nil
	}
	var sum int64
	for _, s := range info.Sections {
		if slices.Contains(kinds, s.Kind) {
			sum += s.Bytes
		}
	}
	return float64(sum) / float64(info.Items), nil
}

// regions are those of all images of d as the index's codec left them.
func (c *collection) regions(ctx context.Context, d *data) (*tokens, error) {
	t := &tokens{dim: d.imageTokens.dim, start: make([]int, len(d.images)+1)}
	ids := make([]string, len(d.images))
	for id, i := range c.at {
		ids[i] = id
	}
	for i, id := range ids {
		item, err := c.Item(ctx, id)
		if err != nil {
			return nil, err
		}
		enc := item.Encoding
		t.data, t.start[i+1] = append(t.data, enc.Tokens...), t.start[i]+enc.N()
		for k := range enc.N() {
			w := float32(1)
			if enc.Weights != nil {
				w = enc.Weights[k]
			}
			t.weights = append(t.weights, w)
		}
	}
	return t, nil
}
