package serve

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// catalogueItems bounds the look through the index for tags and examples.
	catalogueItems = 50_000
	catalogueTime  = 2 * time.Second
	catalogueTags  = 1000
	sampleSize     = 60
)

// catalogue is what the index holds, at a glance: made once for each commit, when
// somebody asks.
type catalogue struct {
	mu     sync.Mutex
	epoch  uint64
	ids    []string // a sample
	tags   []tagCount
	counts int // items looked at
}

// tagCount is a tag and how many items have it.
type tagCount struct {
	Tag   string `json:"tag"`
	Items int    `json:"items"`
}

// look returns the catalogue of the current commit.
func (s *Server) look(ctx context.Context) (ids []string, tags []tagCount, counted int, err error) {
	c := &s.catalogue
	c.mu.Lock()
	defer c.mu.Unlock()
	epoch := s.epoch.Load()
	if c.epoch == epoch {
		return c.ids, c.tags, c.counts, nil
	}
	counts := make(map[string]int)
	var sample []string
	rng := rand.New(rand.NewPCG(1, 2)) // the same index shows the same examples
	n := 0
	began := time.Now()
	for id, err := range s.ix.IDs(ctx) {
		if err != nil {
			return nil, nil, 0, err
		}
		if n == catalogueItems || time.Since(began) > catalogueTime {
			break
		}
		n++
		if n%256 == 0 && ctx.Err() != nil {
			return nil, nil, 0, ctx.Err()
		}
		f, err := s.ix.Fields(ctx, id)
		if err != nil {
			continue // deleted meanwhile; the next epoch counts again
		}
		for _, t := range f.Tags {
			counts[t]++
		}
		if len(sample) < sampleSize {
			sample = append(sample, id)
		} else if j := rng.IntN(n); j < sampleSize {
			sample[j] = id
		}
	}
	all := make([]tagCount, 0, len(counts))
	for t, k := range counts {
		all = append(all, tagCount{t, k})
	}
	slices.SortFunc(all, func(a, b tagCount) int { return cmp.Or(b.Items-a.Items, strings.Compare(a.Tag, b.Tag)) })
	c.epoch, c.ids, c.tags, c.counts = epoch, sample, all[:min(len(all), catalogueTags)], n
	return c.ids, c.tags, c.counts, nil
}
