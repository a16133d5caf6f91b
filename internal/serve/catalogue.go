package serve

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/aladin-go/aladin/index"
)

const (
	// sampledItems and sampleTime bound the look through the index for examples.
	sampledItems = 50_000
	sampleTime   = 2 * time.Second
	sampleSize   = 60
	maxTags      = 1000
)

// catalogue is what the index holds, at a glance: made once for each commit, when
// somebody asks.
type catalogue struct {
	making chan struct{} // who sends makes one
	last   atomic.Pointer[glance]
}

// glance is the catalogue of a commit.
type glance struct {
	epoch uint64
	ids   []string // a sample
	tags  []index.TagCount
}

// look returns the catalogue of the current commit.
func (s *Server) look(ctx context.Context) (*glance, error) {
	c := &s.catalogue
	epoch := s.epoch.Load()
	if g := c.last.Load(); g != nil && g.epoch == epoch {
		return g, nil
	}
	select {
	case c.making <- struct{}{}:
		defer func() { <-c.making }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if g := c.last.Load(); g != nil && g.epoch == epoch {
		return g, nil
	}
	leave, err := s.gate.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	g := &glance{epoch: epoch}
	if g.tags, err = s.c.Index.Tags(ctx); err != nil {
		return nil, err
	}
	g.tags = g.tags[:min(len(g.tags), maxTags)]
	rng := rand.New(rand.NewPCG(1, 2)) // the same index shows the same examples
	began := time.Now()
	n := 0
	for id, err := range s.c.Index.IDs(ctx) {
		if err != nil {
			return nil, err
		}
		if n == sampledItems || time.Since(began) > sampleTime {
			break
		}
		n++
		if len(g.ids) < sampleSize {
			g.ids = append(g.ids, id)
		} else if j := rng.IntN(n); j < sampleSize {
			g.ids[j] = id
		}
	}
	c.last.Store(g)
	return g, nil
}
