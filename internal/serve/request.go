package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aladin-go/aladin/index"
)

// searchRequest is the body of a search.
type searchRequest struct {
	// Query is a text as people type it; what it excludes becomes parts of its own.
	// It comes before Parts, and WordWeights are about it.
	Query       string       `json:"query,omitempty"`
	WordWeights []wordWeight `json:"word_weights,omitempty"`
	Parts       []partSpec   `json:"parts,omitempty"`

	Tags  string   `json:"tags,omitempty"` // as index.ParseFilter reads it
	Kinds []string `json:"kinds,omitempty"`

	K          int   `json:"k,omitempty"`
	Candidates int   `json:"candidates,omitempty"`
	Exact      bool  `json:"exact,omitempty"`
	Explain    *bool `json:"explain,omitempty"` // true when absent
}

// partSpec is a part of a query: exactly one of Text, Item and Photo.
type partSpec struct {
	Text        string       `json:"text,omitempty"`
	Item        string       `json:"item,omitempty"`
	Photo       string       `json:"photo,omitempty"` // a field of the form, or the name that an earlier search gave
	Weight      *float32     `json:"weight,omitempty"`
	WordWeights []wordWeight `json:"word_weights,omitempty"`

	exclude bool // by the words of a query
}

// wordWeight multiplies what the words count whose bytes meet Start…End.
type wordWeight struct {
	Start  int     `json:"start"`
	End    int     `json:"end"`
	Weight float32 `json:"weight"`
}

const (
	defaultK          = 10
	defaultCandidates = 200
	maxWeight         = 10
	maxFilterBytes    = 4096
	maxWordWeights    = 256
)

// search is a request that was checked.
type search struct {
	query      string
	parts      []partSpec
	photos     map[string][]byte // uploads by name
	tags       *index.Filter
	kinds      []index.Kind
	k          int
	candidates int
	exact      bool
	explain    bool
}

func badRequest(code, format string, args ...any) *problem {
	return failf(http.StatusBadRequest, code, format, args...)
}

// readSearch reads a search from a request: the URL of a GET; JSON, or a form with
// the JSON in the field "request" and photos in others, of a POST.
func readSearch(r *http.Request, l *Limits) (*search, error) {
	var req searchRequest
	photos := make(map[string][]byte)
	if r.Method != http.MethodPost {
		if err := req.fromURL(r.URL.Query()); err != nil {
			return nil, err
		}
		return req.check(photos, l)
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, readError(err)
		}
		if err := req.fromJSON(body); err != nil {
			return nil, err
		}
	case err == nil && kind == "multipart/form-data" && params["boundary"] != "":
		if err := req.fromForm(multipart.NewReader(r.Body, params["boundary"]), photos, l); err != nil {
			return nil, err
		}
	default:
		return nil, failf(http.StatusUnsupportedMediaType, "content_type", "send application/json or multipart/form-data, not %q", r.Header.Get("Content-Type"))
	}
	return req.check(photos, l)
}

// readError keeps the errors that have answers of their own.
func readError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return badRequest("body", "the request could not be read: %v", err)
}

func (req *searchRequest) fromJSON(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(req); err != nil {
		return badRequest("json", "the request is not the JSON that is expected: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("json", "something follows the JSON")
	}
	return nil
}

func (req *searchRequest) fromForm(form *multipart.Reader, photos map[string][]byte, l *Limits) error {
	const maxFields = 32
	for n := 0; ; n++ {
		p, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return readError(err)
		}
		if n == maxFields {
			return badRequest("form", "the form has more than %d fields", maxFields)
		}
		data, err := io.ReadAll(p) // at most the body's limit
		if err != nil {
			return readError(err)
		}
		switch name := p.FormName(); {
		case name == "":
			return badRequest("form", "a field of the form has no name")
		case name == "request":
			if err := req.fromJSON(data); err != nil {
				return err
			}
		case photos[name] != nil:
			return badRequest("form", "field %q stands there twice", name)
		default:
			photos[name] = data
		}
	}
	if len(req.Parts) == 0 { // a form of photos alone means them
		for _, name := range slices.Sorted(maps.Keys(photos)) {
			req.Parts = append(req.Parts, partSpec{Photo: name})
		}
	}
	if len(photos) > l.Parts {
		return badRequest("too_many_parts", "%d photos; at most %d", len(photos), l.Parts)
	}
	return nil
}

func (req *searchRequest) fromURL(v url.Values) error {
	for key, vals := range v {
		if len(vals) > 1 && key != "like" && key != "tag" && key != "kind" {
			return badRequest("parameter", "parameter %q stands there %d times", key, len(vals))
		}
		var err error
		switch val := vals[0]; key {
		case "q":
			req.Query = val
		case "like":
			for _, id := range vals {
				req.Parts = append(req.Parts, partSpec{Item: id})
			}
		case "tag":
			var all []string
			for _, t := range vals {
				all = append(all, index.Tag(t).String())
			}
			if req.Tags != "" {
				req.Tags = "(" + req.Tags + ") and "
			}
			req.Tags += strings.Join(all, " and ")
		case "tags":
			if req.Tags != "" {
				req.Tags += " and "
			}
			req.Tags += "(" + val + ")"
		case "kind":
			req.Kinds = vals
		case "k":
			req.K, err = positive(val)
		case "candidates":
			req.Candidates, err = positive(val)
		case "exact":
			req.Exact, err = strconv.ParseBool(val)
		case "explain":
			var b bool
			b, err = strconv.ParseBool(val)
			req.Explain = &b
		default:
			return badRequest("parameter", "unknown parameter %q", key)
		}
		if err != nil {
			return badRequest("parameter", "parameter %s: %q is no value for it", key, vals[0])
		}
	}
	return nil
}

func positive(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && n < 1 {
		err = strconv.ErrRange
	}
	return n, err
}

// check holds a request against the limits.
func (req *searchRequest) check(photos map[string][]byte, l *Limits) (*search, error) {
	s := &search{query: req.Query, photos: photos, k: req.K, candidates: req.Candidates, exact: req.Exact, explain: req.Explain == nil || *req.Explain}
	orDefault(&s.k, min(defaultK, l.K))
	if s.k < 0 || s.k > l.K {
		return nil, badRequest("k", "k is %d; it must be 1 to %d", s.k, l.K)
	}
	orDefault(&s.candidates, min(max(defaultCandidates, s.k), l.Candidates))
	if s.candidates < 0 || s.candidates > l.Candidates {
		return nil, badRequest("candidates", "candidates is %d; it must be 1 to %d", s.candidates, l.Candidates)
	}
	s.candidates = max(s.candidates, s.k)
	if !utf8.ValidString(req.Query) {
		return nil, badRequest("text", "the query is not UTF-8")
	}
	for _, p := range parseQuery(req.Query) {
		s.parts = append(s.parts, partSpec{Text: p.Text, WordWeights: req.WordWeights, exclude: p.Exclude})
	}
	if len(req.WordWeights) > 0 && len(s.parts) == 0 {
		return nil, badRequest("word_weights", "word_weights without a query")
	}
	s.parts = append(s.parts, req.Parts...)
	if len(s.parts) == 0 {
		return nil, badRequest("empty", "nothing to search for: give a query or parts")
	}
	if len(s.parts) > l.Parts {
		return nil, badRequest("too_many_parts", "the query has %d parts; at most %d", len(s.parts), l.Parts)
	}
	textBytes := len(req.Query)
	for i := range s.parts {
		if i >= len(s.parts)-len(req.Parts) {
			textBytes += len(s.parts[i].Text)
		}
		if err := s.parts[i].check(photos); err != nil {
			return nil, badRequest(err.Code, "part %d: %s", i, err.Detail)
		}
	}
	if textBytes > l.TextBytes {
		return nil, badRequest("text_too_long", "the query has %d bytes; at most %d", textBytes, l.TextBytes)
	}
	return s, s.checkFilters(req)
}

func (s *search) checkFilters(req *searchRequest) error {
	if len(req.Tags) > maxFilterBytes {
		return badRequest("tags", "the condition on tags has %d bytes; at most %d", len(req.Tags), maxFilterBytes)
	}
	if strings.TrimSpace(req.Tags) != "" {
		f, err := index.ParseFilter(req.Tags)
		if err != nil {
			return badRequest("tags", "%v", err)
		}
		s.tags = f
	}
	for _, k := range req.Kinds {
		switch k {
		case "image":
			s.kinds = append(s.kinds, index.Image)
		case "caption":
			s.kinds = append(s.kinds, index.Caption)
		default:
			return badRequest("kinds", "kind %q is neither image nor caption", k)
		}
	}
	return nil
}

func (p *partSpec) check(photos map[string][]byte) *problem {
	n := 0
	for _, v := range []string{p.Text, p.Item, p.Photo} {
		if v != "" {
			n++
		}
	}
	switch w := p.weight(); {
	case n != 1:
		return badRequest("part", "a part needs exactly one of text, item and photo")
	case !utf8.ValidString(p.Text) || strings.TrimSpace(p.Text) == "" && p.Text != "":
		return badRequest("text", "the text is blank or not UTF-8")
	case w == 0 || math.Abs(float64(w)) > maxWeight:
		return badRequest("weight", "weight %g; it must be between -%d and %d and not 0", w, maxWeight, maxWeight)
	case len(p.WordWeights) > maxWordWeights:
		return badRequest("word_weights", "%d word weights; at most %d", len(p.WordWeights), maxWordWeights)
	case len(p.WordWeights) > 0 && p.Text == "":
		return badRequest("word_weights", "only a text has words to weigh")
	case p.Photo != "" && photos[p.Photo] == nil && !isPhotoName(p.Photo):
		return badRequest("photo", "the form has no photo %q", p.Photo)
	}
	for _, w := range p.WordWeights {
		if w.Start < 0 || w.End <= w.Start || !(w.Weight >= 0 && w.Weight <= maxWeight) {
			return badRequest("word_weights", "word %d to %d of weight %g: need 0 ≤ start < end and a weight of 0 to %d", w.Start, w.End, w.Weight, maxWeight)
		}
	}
	return nil
}

// weight is what the part counts.
func (p *partSpec) weight() float32 {
	switch {
	case p.Weight != nil:
		return *p.Weight
	case p.exclude:
		return excludeWeight
	}
	return 1
}

// photoName is how a client refers to a photo that it sent before.
func photoName(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func isPhotoName(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	b, err := hex.DecodeString(h)
	return ok && err == nil && len(b) == sha256.Size
}
