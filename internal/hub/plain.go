package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

var goodSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// IsURL tells whether s is the address of a file on the web.
func IsURL(s string) bool { return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") }

// FetchFile brings a file named by a URL, or checks one on this machine. Both may end in #sha256= and the checksum that
// the file must have; over http:// they have to. A file from the web is kept, and fetched once only when its
// checksum is known.
func FetchFile(ctx context.Context, source string, o *Options) (string, error) {
	name, sum, stated := strings.Cut(source, "#sha256=")
	sum = strings.ToLower(sum)
	if stated && !goodSum.MatchString(sum) {
		return "", fmt.Errorf("%w: %q ends in a SHA-256 that is not 64 hexadecimal digits", ErrReference, source)
	}
	if !IsURL(name) {
		if stated {
			return name, checkFile(name, sum)
		}
		_, err := os.Stat(name)
		return name, err
	}
	s, err := o.settings()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(name)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%w: %q is no address", ErrReference, source)
	}
	if u.Scheme == "http" && !stated {
		return "", fmt.Errorf("%w: %s is not protected on its way: end it in #sha256= and the file's checksum", ErrReference, name)
	}
	base := path.Base(u.Path)
	if !goodName(base) || base == "." || base == "/" {
		return "", fmt.Errorf("%w: %s names no file", ErrReference, name)
	}
	folder := s.Downloads
	if folder == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("%w: no folder for downloads: %w", ErrOffline, err)
		}
		folder = filepath.Join(user, "aladin", "downloads")
	}
	key := sum
	if key == "" {
		h := sha256.Sum256([]byte(name))
		key = "url-" + hex.EncodeToString(h[:8])
	}
	folder = filepath.Join(folder, key)
	file := filepath.Join(folder, base)
	if stated && checkFile(file, sum) == nil {
		return file, nil
	}
	if s.Offline {
		if _, err := os.Stat(file); err == nil && !stated {
			return file, nil
		}
		return "", fmt.Errorf("%w: %s has not been fetched before, and HF_HUB_OFFLINE is set", ErrOffline, name)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	p := &part{
		path: file + ".incomplete", size: -1, etag: sum,
		request: func() (*http.Request, error) { return s.request(http.MethodGet, name) },
		report: func(n int64) {
			if s.Progress != nil {
				s.Progress(Progress{File: base, Done: n})
			}
		},
	}
	if !stated { // nothing would tell a beginning from another file's
		if err := os.Remove(p.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := p.fetch(ctx, s); err != nil {
		return "", s.explainFile(name, err)
	}
	if err := os.Rename(p.path, file); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return file, nil
}

func (s *settings) explainFile(name string, err error) error {
	var status *errStatus
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrCorrupt), errors.Is(err, errFinal):
		return fmt.Errorf("%s: %w", name, err)
	case !errors.As(err, &status):
		return fmt.Errorf("%w: %s: %w", ErrOffline, name, err)
	case status.code == http.StatusUnauthorized || status.code == http.StatusForbidden:
		return fmt.Errorf("%w: %s: %w", ErrAccess, name, err)
	case status.code == http.StatusNotFound || status.code == http.StatusGone:
		return fmt.Errorf("%w: %s: %w", ErrNotFound, name, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrServer, name, err)
}

// checkFile compares a file's SHA-256.
func checkFile(path, sum string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return fmt.Errorf("%w: %s has the SHA-256 %s, wanted is %s", ErrCorrupt, path, got, sum)
	}
	return nil
}
