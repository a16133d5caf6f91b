package serve

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/lru"
)

// Server serves one collection. Make it with New.
type Server struct {
	c       *aladin.Collection
	path    string
	opts    Options
	photos  *photos
	thumbs  *thumbs
	uploads *lru.Cache[string, *index.Encoding] // photos of users, encoded, by name
	gate    *gate                               // searches, and what else takes time
	forms   *gate                               // photos that are being sent
	sent    *gate                               // searches with photos that were sent, which are decoded
	guesses *guesses
	health  health
	metrics *metrics
	log     *slog.Logger
	assets  map[string]*asset
	cookie  string // what the page sends instead of the token
	boot    string // sets answers of this process apart from those of others

	refreshing sync.Mutex
	info       atomic.Pointer[index.Info]
	epoch      atomic.Uint64 // counts the commits seen
	catalogue  catalogue
	stopping   atomic.Bool

	loopback atomic.Bool // set by Serve
	sameSite *http.CrossOriginProtection
	handler  http.Handler
}

// New makes a server of a collection. path is the index's file, for Watch, or "" where there is none, as with an engine. The caller
// closes the collection once the server is done.
func New(ctx context.Context, c *aladin.Collection, path string, opts *Options) (*Server, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		c: c, path: path, opts: o, log: o.Logger,
		uploads: lru.New[string, *index.Encoding](o.Limits.CacheBytes),
		gate:    newGate(o.Limits.Searches, o.Limits.Queue, o.Limits.Wait),
		forms:   newGate(o.Limits.Forms, o.Limits.Forms, o.Limits.Wait),
		sent:    newGate(max(1, o.Limits.Searches/2), o.Limits.Queue, o.Limits.Wait),
		guesses: newGuesses(time.Now),
		metrics: newMetrics(), catalogue: catalogue{making: make(chan struct{}, 1)},
		cookie: cookieValue(o.Token),
		boot:   rand.Text()[:10],
	}
	if err := s.readInfo(ctx); err != nil {
		return nil, err
	}
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.photos, err = openPhotos(&o); err != nil {
		return nil, err
	}
	if s.thumbs, err = newThumbs(s.photos, &o); err != nil {
		return nil, errors.Join(err, s.photos.close())
	}
	if s.handler, err = s.routes(); err != nil {
		return nil, errors.Join(err, s.photos.close())
	}
	return s, nil
}

// Close lets go of the folder of photos. The index is the caller's.
func (s *Server) Close() error { return s.photos.close() }

// Handler answers all requests.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests until ctx ends. Then it refuses new connections, lets
// requests under way finish, for Options.StopTimeout at most, and returns nil if
// all did.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if a, ok := ln.Addr().(*net.TCPAddr); ok {
		s.loopback.Store(a.IP.IsLoopback())
	}
	const headerBytes = 64 << 10
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       s.opts.Limits.Timeout + 45*time.Second, // a photo over a slow line
		WriteTimeout:      s.opts.Limits.Timeout + 60*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.log.Info("stopping", "wait", s.opts.StopTimeout)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.StopTimeout)
	defer cancel()
	err := srv.Shutdown(stop)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off after %v: %w", s.opts.StopTimeout, err), srv.Close())
	}
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// refresher is an index that does not move on to newer commits by itself.
type refresher interface {
	Refresh(ctx context.Context) (bool, error)
}

// Refresh moves on to the index file's current commit and reports whether there
// was a newer one.
func (s *Server) Refresh(ctx context.Context) (bool, error) {
	ix, ok := s.c.Index.(refresher)
	if !ok {
		return false, nil
	}
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	began := time.Now()
	changed, err := ix.Refresh(ctx)
	if err == nil && changed {
		err = s.readInfo(ctx)
	}
	if changed && err == nil {
		s.health.searched(nil) // what failed was another file
	}
	switch {
	case err != nil:
		s.metrics.refreshErrors.Add(1)
		s.log.Error("index could not be refreshed; the one before stays", "file", s.path, "error", err)
	case changed:
		s.metrics.refreshes.Add(1)
		info := s.info.Load()
		s.log.Info("index refreshed", "file", s.path, "generation", info.Generation, "items", info.Items, "took", time.Since(began))
	}
	return changed, err
}

func (s *Server) readInfo(ctx context.Context) error {
	info, err := s.c.Index.Info(ctx)
	if err != nil {
		return err
	}
	if have := s.c.Model.Fingerprint(); info.Model != have && info.Items > 0 {
		return fmt.Errorf("%s: %w: index holds model %q, queries come from model %q; restart with that model", s.path, index.ErrModelMismatch, info.Model, have)
	}
	s.info.Store(info)
	s.epoch.Add(1)
	return nil
}

// etag names an answer that depends on the index and these words alone.
func (s *Server) etag(of ...string) string {
	h := sha256.New()
	for _, w := range append(of, s.boot, strconv.FormatUint(s.epoch.Load(), 10)) {
		h.Write([]byte(strconv.Itoa(len(w)) + ":" + w))
	}
	return `W/"` + hex.EncodeToString(h.Sum(nil)[:12]) + `"`
}
