package hub

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options say where the hub and its cache are. Nil and zero values mean what the environment says.
type Options struct {
	// Endpoint is the hub's address, Cache the folder of its cache, Token the person's.
	Endpoint, Cache, Token string
	// Offline: the cache only.
	Offline bool
	// Choose says which of a model's files are needed; nil: all. Its error ends Fetch.
	Choose func(files []File) ([]string, error)
	// Progress is called during downloads, from one goroutine.
	Progress func(Progress)
	// Client makes the requests; nil: one of this package's.
	Client *http.Client
	// Downloads is the folder of files fetched by URL; "": aladin's own in the user's cache folder.
	Downloads string

	getenv  func(string) string // tests
	pause   func(int) time.Duration
	patient time.Duration // how long a silent connection is waited for
}

// A File is one of a model's.
type File struct {
	Name string
	Size int64 // -1: not known
}

// Progress is how far all downloads of one call are.
type Progress struct {
	File        string // being downloaded
	Done, Total int64  // bytes of all files
}

const (
	defaultEndpoint = "https://huggingface.co"
	// attempts is how often a request is made before it is given up.
	attempts = 5
)

// Bounds on what a hub may say.
const (
	maxListing = 16 << 20
	maxFiles   = 10_000
	maxCard    = 1 << 20
	maxFile    = 64 << 30
)

// settings are the options with the environment filled in.
type settings struct {
	Options
	client *http.Client
}

func (o *Options) settings() (*settings, error) {
	s := &settings{}
	if o != nil {
		s.Options = *o
	}
	if s.getenv == nil {
		s.getenv = os.Getenv
	}
	if s.pause == nil {
		s.pause = func(n int) time.Duration { return time.Second << n }
	}
	if s.patient == 0 {
		s.patient = time.Minute
	}
	if s.Endpoint == "" {
		s.Endpoint = s.getenv("HF_ENDPOINT")
	}
	if s.Endpoint == "" {
		s.Endpoint = defaultEndpoint
	}
	s.Endpoint = strings.TrimRight(s.Endpoint, "/")
	if !strings.HasPrefix(s.Endpoint, "https://") && !strings.HasPrefix(s.Endpoint, "http://") {
		return nil, fmt.Errorf("%w: the hub's address %q (HF_ENDPOINT) does not begin with https://", ErrReference, s.Endpoint)
	}
	home := s.getenv("HF_HOME")
	if home == "" {
		base := s.getenv("XDG_CACHE_HOME")
		if base == "" {
			if user, err := os.UserHomeDir(); err == nil {
				base = filepath.Join(user, ".cache")
			}
		}
		if base != "" {
			home = filepath.Join(base, "huggingface")
		}
	}
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if s.Cache == "" {
			s.Cache = s.getenv(name)
		}
	}
	if s.Cache == "" {
		if home == "" {
			return nil, fmt.Errorf("%w: no folder for the cache; set HF_HOME", ErrOffline)
		}
		s.Cache = filepath.Join(home, "hub")
	}
	s.Offline = s.Offline || yes(s.getenv("HF_HUB_OFFLINE"))
	if s.Token == "" {
		s.Token = s.token(home)
	}
	if strings.ContainsAny(s.Token, "\r\n \t") {
		return nil, fmt.Errorf("%w: the token (HF_TOKEN, or the file that hf auth login writes) has white space in it", ErrAccess)
	}
	s.client = s.Client
	if s.client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = time.Minute
		s.client = &http.Client{Transport: transport}
	}
	client := *s.client
	client.CheckRedirect = checkRedirect
	s.client = &client
	return s, nil
}

// token is the person's: HF_TOKEN, else the file that `hf auth login` writes.
func (s *settings) token(home string) string {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if t := strings.TrimSpace(s.getenv(name)); t != "" {
			return t
		}
	}
	if yes(s.getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		return ""
	}
	path := s.getenv("HF_TOKEN_PATH")
	if path == "" && home != "" {
		path = filepath.Join(home, "token")
	}
	if f, err := os.Stat(path); err != nil || !f.Mode().IsRegular() || f.Size() > 4096 {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// yes is how that ecosystem reads switches.
func yes(s string) bool {
	switch strings.ToUpper(s) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}
