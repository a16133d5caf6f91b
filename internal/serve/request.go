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

	"github.com/aladin-go/aladin"
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
	Offset     int   `json:"offset,omitempty"` // hits to leave out, the best
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
}

// wordWeight multiplies what the words count whose bytes meet Start…End.
type wordWeight struct {
	Start  int     `json:"start"`
	End    int     `json:"end"`
	Weight float32 `json:"weight"`
}

const (
	maxWeight      = 10
	maxFilterBytes = 4096
	maxWordWeights = 256
	maxKinds       = 8
	maxFormFields  = 32
)

// search is a request that was checked.
type search struct {
	typed   string // the query
	query   *aladin.Query
	parsed  int               // how many of its terms are typed; the others are parts
	photos  map[int]string    // the names of the photos among its terms
	uploads map[string][]byte // photos by the names that the request gives them
	options aladin.SearchOptions
	offset  int // hits that are left out of the answer
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
		if err := req.fromJSON(r.Body, l); err != nil {
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

// fromJSON reads the request proper, which is short whatever photos come with it.
func (req *searchRequest) fromJSON(body io.Reader, l *Limits) error {
	data, err := io.ReadAll(io.LimitReader(body, l.JSONBytes+1))
	if err != nil {
		return readError(err)
	}
	if int64(len(data)) > l.JSONBytes {
		return failf(http.StatusRequestEntityTooLarge, "body_too_large", "the JSON of the request is larger than %d bytes", l.JSONBytes)
	}
	d := json.NewDecoder(bytes.NewReader(data))
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
	for n := 0; ; n++ {
		p, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return readError(err)
		}
		if n == maxFormFields {
			return badRequest("form", "the form has more than %d fields", maxFormFields)
		}
		name := p.FormName()
		switch {
		case name == "":
			return badRequest("form", "a field of the form has no name")
		case name == "request":
			if err := req.fromJSON(p, l); err != nil {
				return err
			}
			continue
		case photos[name] != nil:
			return badRequest("form", "field %q stands there twice", name)
		case len(photos) == l.Parts:
			return badRequest("too_many_parts", "more than %d photos", l.Parts)
		}
		if photos[name], err = io.ReadAll(p); err != nil { // at most the body's limit
			return readError(err)
		}
	}
	if len(req.Parts) == 0 { // a form of photos alone means them
		for _, name := range slices.Sorted(maps.Keys(photos)) {
			req.Parts = append(req.Parts, partSpec{Photo: name})
		}
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
		case "offset":
			if req.Offset, err = strconv.Atoi(val); err == nil && req.Offset < 0 {
				err = strconv.ErrRange
			}
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

// check holds a request against the limits: what can be counted is counted before it is read.
func (req *searchRequest) check(photos map[string][]byte, l *Limits) (*search, error) {
	if err := req.count(l); err != nil {
		return nil, err
	}
	s := &search{typed: req.Query, query: &aladin.Query{}, photos: map[int]string{}, uploads: photos}
	if strings.TrimSpace(req.Query) != "" {
		q, err := aladin.ParseQuery(req.Query)
		if err != nil {
			return nil, err
		}
		s.query, s.parsed = q, len(q.Terms)
	}
	switch terms := s.parsed + len(req.Parts); {
	case len(req.WordWeights) > 0 && s.parsed == 0:
		return nil, badRequest("word_weights", "word_weights without a query")
	case terms == 0:
		return nil, badRequest("empty", "nothing to search for: give a query or parts")
	case terms > l.Parts:
		return nil, badRequest("too_many_parts", "the query has %d parts; at most %d", terms, l.Parts)
	}
	if err := checkWordWeights(req.WordWeights); err != nil {
		return nil, err
	}
	for i := range s.query.Terms {
		t := &s.query.Terms[i]
		t.Words = wordWeights(req.WordWeights, t.At)
	}
	for i := range req.Parts {
		p := &req.Parts[i]
		if err := p.check(photos); err != nil {
			return nil, badRequest(err.Code, "part %d: %s", s.parsed+i, err.Detail)
		}
		t := aladin.Term{Input: aladin.Text(p.Text), Item: p.Item, Weight: p.weight(), Words: wordWeights(p.WordWeights, 0)}
		if p.Photo != "" {
			s.photos[len(s.query.Terms)] = p.Photo
		}
		s.query.Terms = append(s.query.Terms, t)
	}
	return s, s.readOptions(req, l)
}

// count refuses what is longer than it may be.
func (req *searchRequest) count(l *Limits) *problem {
	textBytes := len(req.Query)
	for _, p := range req.Parts[:min(len(req.Parts), l.Parts)] {
		textBytes += len(p.Text)
	}
	switch {
	case len(req.Parts) > l.Parts:
		return badRequest("too_many_parts", "the query has %d parts; at most %d", len(req.Parts), l.Parts)
	case textBytes > l.TextBytes:
		return badRequest("text_too_long", "the query has %d bytes; at most %d", textBytes, l.TextBytes)
	case len(req.Tags) > maxFilterBytes:
		return badRequest("tags", "the condition on tags has %d bytes; at most %d", len(req.Tags), maxFilterBytes)
	case len(req.Kinds) > maxKinds:
		return badRequest("kinds", "%d kinds; at most %d", len(req.Kinds), maxKinds)
	}
	return nil
}

// readOptions reads how much is searched for, and where.
func (s *search) readOptions(req *searchRequest, l *Limits) error {
	o := &s.options
	o.K, o.Candidates, o.Exact, o.WithFields = req.K, req.Candidates, req.Exact, true
	o.NoExplain = req.Explain != nil && !*req.Explain
	orDefault(&o.K, min(index.DefaultK, l.K))
	if o.K < 0 || o.K > l.K {
		return badRequest("k", "k is %d; it must be 1 to %d", o.K, l.K)
	}
	if req.Offset < 0 || req.Offset > l.K-o.K {
		return badRequest("offset", "offset is %d; with k it must be at most %d", req.Offset, l.K)
	}
	s.offset = req.Offset
	o.K += s.offset
	orDefault(&o.Candidates, min(max(index.DefaultCandidates, o.K), l.Candidates))
	if o.Candidates < 0 || o.Candidates > l.Candidates {
		return badRequest("candidates", "candidates is %d; it must be 1 to %d", o.Candidates, l.Candidates)
	}
	if strings.TrimSpace(req.Tags) != "" {
		f, err := index.ParseFilter(req.Tags)
		if err != nil {
			return badRequest("tags", "%v", err)
		}
		o.Tags = f
	}
	for _, k := range req.Kinds {
		switch k {
		case "image":
			o.Kinds = append(o.Kinds, index.Image)
		case "caption":
			o.Kinds = append(o.Kinds, index.Caption)
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
	case len(p.WordWeights) > 0 && p.Text == "":
		return badRequest("word_weights", "only a text has words to weigh")
	case p.Photo != "" && photos[p.Photo] == nil && !isPhotoName(p.Photo):
		return badRequest("photo", "the form has no photo %q", p.Photo)
	}
	return checkWordWeights(p.WordWeights)
}

// weight is what the part counts.
func (p *partSpec) weight() float32 {
	if p.Weight == nil {
		return 1
	}
	return *p.Weight
}

func checkWordWeights(ws []wordWeight) *problem {
	if len(ws) > maxWordWeights {
		return badRequest("word_weights", "%d word weights; at most %d", len(ws), maxWordWeights)
	}
	for _, w := range ws {
		if w.Start < 0 || w.End <= w.Start || !(w.Weight >= 0 && w.Weight <= maxWeight) {
			return badRequest("word_weights", "word %d to %d of weight %g: need 0 ≤ start < end and a weight of 0 to %d", w.Start, w.End, w.Weight, maxWeight)
		}
	}
	return nil
}

// wordWeights are those of a text that begins so many bytes into the one that they are about.
func wordWeights(ws []wordWeight, at int) []aladin.WordWeight {
	out := make([]aladin.WordWeight, len(ws))
	for i, w := range ws {
		out[i] = aladin.WordWeight{Start: w.Start - at, End: w.End - at, Weight: w.Weight}
	}
	return out
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
