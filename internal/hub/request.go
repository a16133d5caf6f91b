package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// checkRedirect bounds redirections, never leaves a protected connection, and takes no token to another host. (net/http
// does so only when the domain changes.)
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirections")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected to %s, which is not protected", req.URL.Redacted())
	}
	if req.URL.Host != via[0].URL.Host {
		req.Header.Del("Authorization")
	}
	return nil
}

// errStatus is an answer that is no success.
type errStatus struct {
	code  int
	retry time.Duration // as the server asks
	kind  string        // X-Error-Code
}

func (e *errStatus) Error() string {
	if e.kind != "" {
		return fmt.Sprintf("HTTP %d %s (%s)", e.code, http.StatusText(e.code), e.kind)
	}
	return fmt.Sprintf("HTTP %d %s", e.code, http.StatusText(e.code))
}

// passing tells whether it may be otherwise in a moment.
func (e *errStatus) passing() bool {
	return e.code == http.StatusTooManyRequests || e.code == http.StatusRequestTimeout || e.code >= 500
}

// try makes a request, a few times if the connection fails or the server is busy. What use says of an answer counts:
// it may be cut, too. A file's use continues where it was.
func (s *settings) try(ctx context.Context, make func() (*http.Request, error), use func(*http.Response) error) error {
	var last error
	for n := range attempts {
		if n > 0 {
			wait := s.pause(n - 1)
			var status *errStatus
			if errors.As(last, &status) && status.retry > 0 {
				wait = min(status.retry, time.Minute)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
			}
		}
		last = s.once(ctx, make, use)
		var status *errStatus
		switch {
		case last == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(last, ErrCorrupt), errors.Is(last, errFinal):
			return last
		case errors.As(last, &status) && !status.passing():
			return last
		}
	}
	return last
}

// errFinal is a failure that has nothing to do with the network.
var errFinal = errors.New("hub: cannot go on")

func (s *settings) once(ctx context.Context, make func() (*http.Request, error), use func(*http.Response) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := make()
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	res, err := s.client.Do(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 400 {
		retry, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return &errStatus{res.StatusCode, time.Duration(max(0, retry)) * time.Second, res.Header.Get("X-Error-Code")}
	}
	// A connection that says nothing for long is as good as cut.
	timer := time.AfterFunc(s.patient, func() {
		cancel(fmt.Errorf("nothing arrived for %v", s.patient))
	})
	defer timer.Stop()
	res.Body = &watched{res.Body, timer, s.patient}
	if err := use(res); err != nil {
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
		return err
	}
	return nil
}

// watched restarts a timer whenever something arrives.
type watched struct {
	io.ReadCloser
	timer   *time.Timer
	patient time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.timer.Reset(w.patient)
	}
	return n, err
}

// request asks the hub itself: with the token.
func (s *settings) request(method, url string) (*http.Request, error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "aladin-go")
	if s.Token != "" && (url == s.Endpoint || strings.HasPrefix(url, s.Endpoint+"/")) {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	return req, nil
}

// explain turns a failure into one of this package's errors, with what to do.
func (s *settings) explain(ref Reference, what string, err error) error {
	var status *errStatus
	var page = ref.page(s.Endpoint)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrCorrupt), errors.Is(err, errFinal):
		return fmt.Errorf("%v: %s: %w", ref, what, err)
	case !errors.As(err, &status):
		return fmt.Errorf("%w: %v: %s: %w: is there a network? What is in the cache can be used with HF_HUB_OFFLINE=1", ErrOffline, ref, what, err)
	case status.kind == "GatedRepo":
		return fmt.Errorf("%w: %v: %s: %w: its owner lets only those in who accept the terms: do so at %s, then set HF_TOKEN", ErrAccess, ref, what, err, page)
	case status.code == http.StatusUnauthorized && s.Token == "":
		return fmt.Errorf("%w: %v: %s: %w: there is no such model, or it is not public: look at %s; if you have access, set HF_TOKEN to a token of yours", ErrAccess, ref, what, err, page)
	case status.code == http.StatusUnauthorized:
		return fmt.Errorf("%w: %v: %s: %w: there is no such model, or the token (HF_TOKEN) is not valid: look at %s", ErrAccess, ref, what, err, page)
	case status.code == http.StatusForbidden:
		return fmt.Errorf("%w: %v: %s: %w: your token does not give access: accept the model's terms at %s, or take a token that may read it", ErrAccess, ref, what, err, page)
	case status.code == http.StatusNotFound:
		return fmt.Errorf("%w: %v: %s: %w: is the name right, and does the revision exist? See %s", ErrNotFound, ref, what, err, page)
	}
	return fmt.Errorf("%w: %v: %s: %w: try again later", ErrServer, ref, what, err)
}
