package serve

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// route is a pattern and what answers it.
type route struct {
	pattern string
	open    bool // answered without the token, and to anybody
	handler answerer
}

// table lists the API. The page's own files come on top.
func (s *Server) table() []route {
	return []route{
		{"GET /api/search", false, s.getSearch},
		{"POST /api/search", false, s.postSearch},
		{"GET /api/items", false, s.getItems},
		{"GET /api/items/{id...}", false, s.getItem},
		{"GET /api/tags", false, s.getTags},
		{"GET /api/info", false, s.getInfo},
		{"POST /api/session", false, s.session},
		{"GET /api/openapi.json", true, s.getOpenAPI},
		{"GET /thumb/{id...}", false, s.getThumb},
		{"GET /photo/{id...}", false, s.getPhoto},
		{"GET /metrics", false, s.getMetrics},
		{"GET /healthz", true, s.getHealth},
	}
}

func (s *Server) routes() (http.Handler, error) {
	s.sameSite = http.NewCrossOriginProtection()
	for _, o := range s.opts.Origins {
		if err := s.sameSite.AddTrustedOrigin(o); err != nil {
			return nil, fmt.Errorf("%w: origin %q: %w", ErrOptions, o, err)
		}
	}
	mux := http.NewServeMux()
	for _, r := range s.table() {
		h := s.answer(r.pattern, r.handler)
		if !r.open {
			h = s.protect(h)
		}
		mux.Handle(r.pattern, h)
	}
	mux.Handle("GET /{$}", s.answer("GET /", s.getAsset))
	mux.Handle("GET /page/{file...}", s.answer("GET /page/", s.getAsset))
	mux.Handle("/", s.answer("none", func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
			return failf(http.StatusMethodNotAllowed, "method", "%s is not possible here", r.Method)
		}
		return failf(http.StatusNotFound, "not_found", "there is nothing at this address")
	}))
	gzip, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(gzip.BestSpeed),
		gzhttp.ContentTypes([]string{"application/json", "application/problem+json", "text/plain", "text/html", "text/css", "text/javascript", "image/svg+xml"}))
	if err != nil {
		return nil, err
	}
	return s.observe(harden(s.checkHost(s.shareWith(gzip(mux))))), nil
}
