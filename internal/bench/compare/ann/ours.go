//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/aladin-go/aladin/index"
)

// point is one setting of an engine.
type point struct {
	Engine  string  `json:"engine"`
	Setting string  `json:"setting"`
	Recall  float64 `json:"recall"`
	Micros  float64 `json:"micros"` // of processor time a query, on one core
}

// built is what it takes to have an engine's index.
type built struct {
	Engine  string  `json:"engine"`
	Seconds float64 `json:"seconds"` // of processor time
	Bytes   float64 `json:"bytes"`   // an item
}

// processorTime is what this process has taken, on all cores.
func processorTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// buildOurs makes an index file of the items, as aladin-index does.
func buildOurs(ctx context.Context, s *set, folder string, match index.Codec) (string, built, error) {
	path := filepath.Join(folder, match.String()+".aladin")
	b := built{Engine: "aladin " + match.String()}
	start := processorTime()
	bl, err := index.NewBuilder(path, &index.BuildOptions{Match: match, Regions: index.None})
	if err != nil {
		return "", b, err
	}
	defer bl.Close()
	for i := range s.n() {
		e := &index.Encoding{Kind: index.Image, Matching: s.item(i)}
		if err := bl.Add(ctx, index.Item{ID: strconv.Itoa(i), Encoding: e}); err != nil {
			return "", b, err
		}
	}
	if err := bl.Finish(ctx); err != nil {
		return "", b, err
	}
	w, err := index.OpenWriter(path, nil)
	if err != nil {
		return "", b, err
	}
	defer w.Close()
	if w.Outgrown() {
		if err := w.Compact(ctx, nil); err != nil {
			return "", b, err
		}
	}
	b.Seconds = (processorTime() - start).Seconds()
	st, err := os.Stat(path)
	if err != nil {
		return "", b, err
	}
	b.Bytes = float64(st.Size()) / float64(s.n())
	return path, b, nil
}

// measureOurs searches one query after the other, on one goroutine: the best of some rounds.
func measureOurs(ctx context.Context, s *set, path, engine, setting string, o index.SearchOptions, rounds int) (point, error) {
	p := point{Engine: engine, Setting: setting}
	ix, err := index.Open(path, &index.Options{Threads: 1})
	if err != nil {
		return p, err
	}
	defer ix.Close()
	best := time.Duration(1<<63 - 1)
	for range rounds {
		hit := 0
		start := processorTime()
		found := make([][]index.Hit, len(s.truth))
		for i := range found {
			if found[i], err = ix.Search(ctx, &index.Encoding{Kind: index.Caption, Matching: s.query(i)}, &o); err != nil {
				return p, err
			}
		}
		best = min(best, processorTime()-start)
		for i, hits := range found {
			want := map[int32]bool{}
			for _, t := range s.truth[i][:o.K] {
				want[t] = true
			}
			for _, h := range hits {
				n, err := strconv.Atoi(h.ID)
				if err != nil {
					return p, fmt.Errorf("id %q: %w", h.ID, err)
				}
				if want[int32(n)] {
					hit++
				}
			}
		}
		p.Recall = float64(hit) / float64(o.K*len(s.truth))
	}
	p.Micros = float64(best.Microseconds()) / float64(len(s.truth))
	return p, nil
}
