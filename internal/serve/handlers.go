package serve

import (
	"bytes"
	_ "embed"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aladin-go/aladin/index"
)

//go:embed openapi.json
var openAPI []byte

// getSearch answers searches that fit into an address. Their answers can be kept
// until the index changes.
func (s *Server) getSearch(w http.ResponseWriter, r *http.Request) error {
	req, err := readSearch(r, &s.opts.Limits)
	if err != nil || s.fresh(w, r, "search", r.URL.Query().Encode()) {
		return err
	}
	return s.answerSearch(w, r, req)
}

func (s *Server) postSearch(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	leave := func() {}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" { // JSON is small
		var err error
		if leave, err = s.forms.enter(r.Context()); err != nil {
			return err
		}
	}
	req, err := readSearch(r, &s.opts.Limits)
	leave()
	if err != nil {
		return err
	}
	return s.answerSearch(w, r, req)
}

func (s *Server) answerSearch(w http.ResponseWriter, r *http.Request, req *search) (err error) {
	if len(req.uploads) > 0 {
		leave, busy := s.sent.enter(r.Context())
		if busy != nil {
			return busy
		}
		began := time.Now()
		defer func() { s.rest(leave, began, err) }()
	}
	leave, err := s.gate.enter(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	out, err := s.search(r.Context(), req)
	s.health.searched(err)
	if err != nil {
		return err
	}
	return writeJSON(w, out)
}

// rest ends a search with photos that were sent. A photo that could not be decoded keeps its place three times as long
// as it took, so that those who send such photos leave most of the processor to others.
func (s *Server) rest(leave func(), began time.Time, err error) {
	if err == nil {
		leave()
		return
	}
	time.AfterFunc(min(3*time.Since(began), s.opts.Limits.Timeout), leave)
}

// matches says that the client has the answer already.
func matches(r *http.Request, etag string) bool {
	for _, t := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// fresh sets the validator of an answer that changes with the index only, and
// reports whether the client has that answer.
func (s *Server) fresh(w http.ResponseWriter, r *http.Request, of ...string) bool {
	tag := s.etag(of...)
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if matches(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	return false
}

func (s *Server) photoOf(id string) *photoAnswer {
	size := s.photos.size(id)
	if size.X == 0 {
		return nil
	}
	e := url.PathEscape(id)
	return &photoAnswer{URL: "photo/" + e, Thumb: "thumb/" + e, Width: size.X, Height: size.Y}
}

// itemAnswer is what is known of an item.
type itemAnswer struct {
	ID      string         `json:"id"`
	Kind    string         `json:"kind"`
	Text    string         `json:"text,omitempty"`
	Tags    []string       `json:"tags"`
	Meta    rawJSON        `json:"meta,omitempty"`
	Photo   *photoAnswer   `json:"photo,omitempty"`
	Regions []regionAnswer `json:"regions,omitempty"`
	Words   []wordAnswer   `json:"words,omitempty"`
}

type regionAnswer struct {
	Region int       `json:"region"`
	Box    index.Box `json:"box"`
	Label  string    `json:"label,omitempty"`
}

func (s *Server) getItem(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !utf8.ValidString(id) {
		return badRequest("id", "the id is not UTF-8")
	}
	if s.fresh(w, r, "item", id) {
		return nil
	}
	it, err := s.c.Index.Item(r.Context(), id)
	if err != nil {
		return err
	}
	e := it.Encoding
	out := itemAnswer{ID: id, Kind: e.Kind.String(), Text: e.Text, Tags: it.Tags, Meta: it.Meta, Photo: s.photoOf(id)}
	if out.Tags == nil {
		out.Tags = []string{}
	}
	if e.Kind == index.Caption {
		out.Words = wordsOf(e)
	}
	for i, b := range e.Boxes {
		if e.Weights != nil && e.Weights[i] == 0 {
			continue
		}
		reg := regionAnswer{Region: i, Box: b}
		if e.Labels != nil {
			reg.Label = e.Labels[i]
		}
		out.Regions = append(out.Regions, reg)
	}
	return writeJSON(w, out)
}

// getItems shows a few items of the index: a look at what there is.
func (s *Server) getItems(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r, 24, sampleSize)
	if err != nil || s.fresh(w, r, "items", strconv.Itoa(limit)) {
		return err
	}
	at, err := s.look(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Items []itemAnswer `json:"items"`
	}{[]itemAnswer{}}
	for _, id := range at.ids[:min(limit, len(at.ids))] {
		f, err := s.c.Index.Fields(r.Context(), id)
		if err != nil {
			continue // deleted meanwhile
		}
		if f.Tags == nil {
			f.Tags = []string{}
		}
		out.Items = append(out.Items, itemAnswer{ID: id, Kind: f.Kind.String(), Text: f.Text, Tags: f.Tags, Meta: f.Meta, Photo: s.photoOf(id)})
	}
	return writeJSON(w, out)
}

func (s *Server) getTags(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r, 100, maxTags)
	if err != nil || s.fresh(w, r, "tags", strconv.Itoa(limit)) {
		return err
	}
	at, err := s.look(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Tags    []tagAnswer `json:"tags"`
		Counted int         `json:"counted"`
	}{[]tagAnswer{}, s.info.Load().Items}
	for _, t := range at.tags[:min(limit, len(at.tags))] {
		out.Tags = append(out.Tags, tagAnswer{t.Tag, t.Items})
	}
	return writeJSON(w, out)
}

// tagAnswer is a tag and how many items have it.
type tagAnswer struct {
	Tag   string `json:"tag"`
	Items int    `json:"items"`
}

// limitOf reads the only parameter of a listing.
func limitOf(r *http.Request, def, most int) (int, error) {
	for key := range r.URL.Query() {
		if key != "limit" {
			return 0, badRequest("parameter", "unknown parameter %q", key)
		}
	}
	v := r.URL.Query().Get("limit")
	if v == "" {
		return def, nil
	}
	n, err := positive(v)
	if err != nil || n > most {
		return 0, badRequest("limit", "limit is %q; it must be 1 to %d", v, most)
	}
	return n, nil
}

// infoAnswer is what a client should know before it asks.
type infoAnswer struct {
	Index  index.Info  `json:"index"`
	Photos bool        `json:"photos"` // there is a folder of photos
	Limits limitAnswer `json:"limits"`
}

type limitAnswer struct {
	K          int   `json:"k"`
	Candidates int   `json:"candidates"`
	BodyBytes  int64 `json:"body_bytes"`
	Pixels     int64 `json:"pixels"`
	TextBytes  int   `json:"text_bytes"`
	Parts      int   `json:"parts"`
}

func (s *Server) getInfo(w http.ResponseWriter, r *http.Request) error {
	if s.fresh(w, r, "info") {
		return nil
	}
	l := s.opts.Limits
	out := infoAnswer{Index: *s.info.Load(), Photos: s.photos.fs != nil,
		Limits: limitAnswer{l.K, l.Candidates, l.BodyBytes, l.Pixels, l.TextBytes, l.Parts}}
	if out.Index.Sections == nil {
		out.Index.Sections = []index.SectionInfo{}
	}
	return writeJSON(w, out)
}

func (s *Server) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", openAPITag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(openAPI))
	return nil
}

var openAPITag = contentTag(openAPI)

// openItem opens the photo of an item of the index.
func (s *Server) openItem(r *http.Request) (string, *photo, error) {
	id := r.PathValue("id")
	if !utf8.ValidString(id) {
		return "", nil, badRequest("id", "the id is not UTF-8")
	}
	if _, err := s.c.Index.Fields(r.Context(), id); err != nil {
		return "", nil, err // files that are in the folder only are nobody's business
	}
	ph, err := s.photos.open(id)
	return id, ph, err
}

// photoCache lets browsers show a photo again without asking for a few minutes.
const photoCache = "private, max-age=300"

func (s *Server) getThumb(w http.ResponseWriter, r *http.Request) error {
	side := defaultThumb
	if v := r.URL.Query().Get("size"); v != "" {
		var err error
		if side, err = strconv.Atoi(v); err != nil || !slices.Contains(thumbWidths, side) {
			return badRequest("size", "size is %q; it must be one of %v", v, thumbWidths)
		}
	}
	id, ph, err := s.openItem(r)
	if err != nil {
		return err
	}
	defer ph.Close()
	return s.sendThumb(w, r, id, ph, side)
}

func (s *Server) sendThumb(w http.ResponseWriter, r *http.Request, id string, ph *photo, side int) error {
	key := s.thumbs.key(id, ph, side)
	h := w.Header()
	h.Set("ETag", `"`+key+`"`)
	h.Set("Cache-Control", photoCache)
	if matches(r, h.Get("ETag")) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	b, err := s.thumbs.get(r.Context(), key, ph, side)
	if err != nil {
		return err
	}
	h.Set("Content-Type", "image/jpeg")
	http.ServeContent(w, r, "", ph.info.ModTime(), bytes.NewReader(b))
	return nil
}

func (s *Server) getPhoto(w http.ResponseWriter, r *http.Request) error {
	id, ph, err := s.openItem(r)
	if err != nil {
		return err
	}
	defer ph.Close()
	if ph.mime == "" { // of a kind that browsers do not show
		return s.sendThumb(w, r, id, ph, slices.Max(thumbWidths))
	}
	h := w.Header()
	h.Set("Content-Type", ph.mime)
	h.Set("ETag", `"`+ph.version+`"`)
	h.Set("Cache-Control", photoCache)
	h.Set("Content-Disposition", "inline; filename*=UTF-8''"+url.PathEscape(fileName(id, ph.mime)))
	http.ServeContent(w, r, "", ph.info.ModTime(), ph.seek)
	return nil
}

func (s *Server) getMetrics(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	var buf bytes.Buffer
	s.writeMetrics(&buf)
	_, _ = w.Write(buf.Bytes())
	return nil
}
