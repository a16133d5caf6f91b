package serve

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aladin-go/aladin"
)

// health remembers whether searches fail for reasons of the server's own, so that /healthz can say so.
type health struct {
	mu      sync.Mutex
	failing error     // of the last search
	probed  time.Time // when it was last seen whether they fail still
}

// probeAfter is how long an answer of a probe holds.
const probeAfter = time.Second

// searched notes how a search ended. What the client did wrong, or was too busy or slow to be answered, says
// nothing.
func (h *health) searched(err error) {
	if err != nil && problemOf(err).Status != http.StatusInternalServerError {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = err
}

// getHealth says whether searches can be answered. After one that failed it searches itself, to see whether they
// still do.
func (s *Server) getHealth(w http.ResponseWriter, r *http.Request) error {
	if s.stopping.Load() {
		return failf(http.StatusServiceUnavailable, "stopping", "the server is stopping")
	}
	if err := s.healthy(r.Context()); err != nil {
		note(r, func(rec *recorder) { rec.err = err })
		return failf(http.StatusServiceUnavailable, "failing", "searches fail; the server's log says why")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n")
	return nil
}

// healthy returns why searches fail.
func (s *Server) healthy(ctx context.Context) error {
	if _, err := s.c.Index.Info(ctx); err != nil {
		return err
	}
	h := &s.health
	h.mu.Lock()
	err, probe := h.failing, time.Since(h.probed) > probeAfter
	if err != nil && probe {
		h.probed = time.Now()
	}
	h.mu.Unlock()
	if err == nil || !probe {
		return err
	}
	leave, err := s.gate.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = s.c.Ask(ctx, "a photo", &aladin.SearchOptions{K: 1})
	h.searched(err)
	return err
}
