package hub

import (
	"context"
	"crypto/sha1" //nolint:gosec // git's checksum of small files, beside their size
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// A part is a file on its way. What was fetched before is kept and continued.
type part struct {
	path    string
	size    int64  // -1: as long as it is, at most maxFile
	etag    string // SHA-256, or git's SHA-1 of the content; "" where none is known
	request func() (*http.Request, error)
	report  func(done int64)
	fetched int64

	restarted bool // it was begun again because the server had no such rest
}

// fetch downloads the file to path, whole and checked.
func (p *part) fetch(ctx context.Context, s *settings) error {
	f, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	defer f.Close()
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	continued := at > 0
	if p.size >= 0 && at > p.size {
		at = 0
	}
	if at != p.size {
		err = s.try(ctx, func() (*http.Request, error) {
			req, err := p.request()
			if err == nil && at > 0 {
				req.Header.Set("Range", "bytes="+strconv.FormatInt(at, 10)+"-")
			}
			return req, err
		}, func(res *http.Response) error { return p.receive(f, &at, res) })
		var status *errStatus
		if errors.As(err, &status) && status.code == http.StatusRequestedRangeNotSatisfiable && at > 0 && !p.restarted {
			// The rest of something else: begin again, but once.
			p.restarted = true
			if err := p.restart(f); err != nil {
				return err
			}
			return p.fetch(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	err = p.check(f, at)
	if errors.Is(err, ErrCorrupt) {
		// Never to be continued; and if only the beginning, from another time, was wrong, once again without it.
		if restart := p.restart(f); restart != nil {
			return restart
		}
		if continued {
			return p.fetch(ctx, s)
		}
	}
	return err
}

func (p *part) restart(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	return nil
}

// receive writes what an answer brings behind the first *at bytes.
func (p *part) receive(f *os.File, at *int64, res *http.Response) error {
	if res.StatusCode != http.StatusPartialContent {
		*at = 0 // the whole of it
	} else if first, ok := rangeStart(res.Header.Get("Content-Range")); !ok || first != *at {
		return fmt.Errorf("%w: asked for the bytes from %d, got %q", ErrCorrupt, *at, res.Header.Get("Content-Range"))
	}
	if err := f.Truncate(*at); err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	if _, err := f.Seek(*at, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	most := p.size
	if most < 0 {
		most = maxFile
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if *at+int64(n) > most {
				return fmt.Errorf("%w: longer than the %d bytes announced", ErrCorrupt, most)
			}
			if _, err := f.Write(buf[:n]); err != nil {
				return fmt.Errorf("%w: %w", errFinal, err)
			}
			*at += int64(n)
			p.fetched += int64(n)
			p.report(*at)
		}
		if err == io.EOF {
			if p.size >= 0 && *at < p.size {
				return fmt.Errorf("the connection was cut after %d of %d bytes", *at, p.size)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// rangeStart is the first byte of "bytes 5-9/10".
func rangeStart(s string) (int64, bool) {
	s, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, false
	}
	first, _, ok := strings.Cut(s, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	return n, ok && err == nil
}

// check compares the checksum.
func (p *part) check(f *os.File, size int64) error {
	if p.etag == "" {
		return nil
	}
	var h hash.Hash
	if len(p.etag) == 2*sha256.Size {
		h = sha256.New()
	} else {
		h = sha1.New() //nolint:gosec // see above
		fmt.Fprintf(h, "blob %d\x00", size)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.etag {
		return fmt.Errorf("%w: its checksum is %s, announced was %s; what was fetched is deleted", ErrCorrupt, got, p.etag)
	}
	return nil
}
