package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
)

// ErrOptions is returned when the server cannot work as configured.
var ErrOptions = errors.New("serve: invalid options")

// problem is an answer that is not what was asked for, as RFC 9457 writes it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`

	retryAfter int // seconds; 0 for none
}

func (p *problem) Error() string { return p.Detail }

// maxDetail bounds what a problem says, which may repeat what the client sent.
const maxDetail = 500

// statusGone is what proxies log when the client went away; nobody reads it.
const statusGone = 499

func failf(status int, code, format string, args ...any) *problem {
	return &problem{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// problemOf finds the answer for an error. Errors that are not the client's doing
// keep their particulars for the log.
func problemOf(err error) *problem {
	var p *problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooLarge):
		return failf(http.StatusRequestEntityTooLarge, "body_too_large", "the request is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, context.Canceled):
		return failf(statusGone, "cancelled", "the client went away")
	case errors.Is(err, context.DeadlineExceeded):
		return failf(http.StatusGatewayTimeout, "timeout", "the answer took too long; ask for fewer candidates or try again")
	case errors.Is(err, index.ErrUnavailable):
		p = failf(http.StatusServiceUnavailable, "unavailable", "the engine that holds the index does not answer; try again")
		p.retryAfter = 1
		return p
	case errors.Is(err, index.ErrNotFound):
		return failf(http.StatusNotFound, "not_found", "the index has no such item")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrInvalid):
		return failf(http.StatusNotFound, "no_photo", "there is no photo of this item")
	case errors.Is(err, picture.ErrTooLarge):
		return failf(http.StatusRequestEntityTooLarge, "photo_too_large", "%v", err)
	case errors.Is(err, picture.ErrFormat), errors.Is(err, picture.ErrTruncated):
		return failf(http.StatusUnsupportedMediaType, "not_a_photo", "%v", err)
	case errors.Is(err, aladin.ErrNoPixels):
		return failf(http.StatusNotImplemented, "no_photo_queries", "this model has no region extractor, so it cannot read photos; search by text or by an item")
	case errors.Is(err, aladin.ErrNoWords):
		return failf(http.StatusBadRequest, "empty", "nothing to search for: %v", err)
	case errors.Is(err, index.ErrInvalid), errors.Is(err, aladin.ErrInput):
		return failf(http.StatusBadRequest, "invalid", "%v", err)
	}
	return failf(http.StatusInternalServerError, "internal", "something went wrong here; the server's log says what")
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	out := *p
	out.Type = "about:blank"
	if len(out.Detail) > maxDetail {
		out.Detail = strings.ToValidUTF8(out.Detail[:maxDetail], "") + "…"
	}
	if out.Title = http.StatusText(p.Status); out.Title == "" {
		out.Title = "Client Closed Request"
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(&out)
}
