package serve

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// answerer is a handler that leaves its errors to others.
type answerer func(w http.ResponseWriter, r *http.Request) error

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	route  string
	err    error // what went wrong, for the log
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// observe counts and logs every request, and answers for handlers that panic.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s.metrics.inFlight.Add(1)
		rec := &recorder{ResponseWriter: w, route: "none"}
		defer func() {
			if p := recover(); p != nil {
				s.metrics.panics.Add(1)
				s.log.Error("a request met a bug", "route", rec.route, "panic", p, "stack", string(debug.Stack()))
				if rec.status == 0 {
					problemOf(nil).write(rec)
				}
			}
			s.metrics.inFlight.Add(-1)
			took := time.Since(began)
			if rec.status == 0 {
				rec.status = http.StatusOK
			}
			s.metrics.request(rec.route, rec.status, took)
			s.logRequest(r, rec, took)
		}()
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), recorderKey{}, rec)))
	})
}

func (s *Server) logRequest(r *http.Request, rec *recorder, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case rec.status >= 500 && rec.status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case rec.route == "GET /healthz" || rec.route == "GET /metrics" || strings.HasPrefix(rec.route, "GET /thumb/") || rec.route == "GET /":
		level = slog.LevelDebug
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("route", rec.route), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
		slog.Float64("ms", float64(took.Microseconds())/1e3), slog.String("client", r.RemoteAddr),
	}
	if rec.err != nil {
		attrs = append(attrs, slog.String("error", rec.err.Error()))
	}
	if s.opts.LogQueries && r.Method == http.MethodGet {
		attrs = append(attrs, slog.String("url", r.URL.RequestURI()))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
}

type recorderKey struct{}

// note leaves something about a request for its line in the log.
func note(r *http.Request, f func(*recorder)) {
	if rec, ok := r.Context().Value(recorderKey{}).(*recorder); ok {
		f(rec)
	}
}

// answer makes a handler of a function that returns errors, with a time limit and
// a limit on what it reads.
func (s *Server) answer(pattern string, f answerer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r, func(rec *recorder) { rec.route = pattern })
		ctx, cancel := context.WithTimeout(r.Context(), s.opts.Limits.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, s.opts.Limits.BodyBytes)
		if err := f(w, r); err != nil {
			p := problemOf(err)
			if p.Status >= 500 {
				note(r, func(rec *recorder) { rec.err = err })
			}
			p.write(w)
		}
	})
}

// policy is the Content-Security-Policy of everything: only what the server itself
// gives, and the pictures that the page makes of files dropped on it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// harden sets the headers that tell browsers what not to do.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// shareWith lets pages of the given origins use the API, which browsers otherwise
// forbid.
func (s *Server) shareWith(next http.Handler) http.Handler {
	if len(s.opts.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin == "" || !slices.Contains(s.opts.Origins, origin) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Access-Control-Expose-Headers", "ETag, Retry-After")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
