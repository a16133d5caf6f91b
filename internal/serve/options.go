package serve

import (
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"time"

	"github.com/aladin-go/aladin/internal/picture"
)

// Options say how to serve. Nil and zero mean defaults.
type Options struct {
	// Images is the folder that holds the photos: the photo of an item is the file
	// whose path there is the item's id. Photos does the same for any other file
	// system and is used when Images is empty. With neither, the page draws
	// regions on empty frames.
	Images string
	Photos fs.FS
	// Follow lets links in Images lead out of it.
	Follow bool

	// Token, when set, must come with every request for data: as a bearer token, or
	// in the cookie that the page gets in exchange for it. It has at least 16 bytes: others are guessed.
	Token string

	// Hosts are the names by which clients may address the server. Empty allows
	// any, but on a loopback address, where only loopback names are allowed, so that
	// no web site can reach the server by giving its own name that address.
	Hosts []string

	// Origins are the origins of web pages, other than this server's own, that
	// may use the API. None by default.
	Origins []string

	// ThumbBytes bounds the memory for thumbnails; 0 is 64 MiB. ThumbDir, when set,
	// is a folder to keep them in, of at most ThumbDirBytes; 0 is 512 MiB.
	ThumbBytes    int64
	ThumbDir      string
	ThumbDirBytes int64

	// Poll is how often Watch looks at the index file where the system does not
	// tell of changes, or tells wrong (network folders); 0 is 2 s.
	Poll time.Duration

	// StopTimeout is how long requests under way may take once Serve's context has
	// ended; 0 is 10 s.
	StopTimeout time.Duration

	Limits Limits

	// Logger gets a line for each request and each change of the index; nil is
	// silent. What users search for is logged only with LogQueries.
	Logger     *slog.Logger
	LogQueries bool
}

// Limits bound what a request may ask for. Zero means the default.
type Limits struct {
	BodyBytes  int64         // of a request: 32 MiB
	JSONBytes  int64         // of its JSON: 256 KiB
	Pixels     int64         // of a photo, uploaded or below Images: picture.DefaultMaxPixels
	TextBytes  int           // of all texts of a query: 2048
	Parts      int           // of a query: 16
	K          int           // hits: 500
	Candidates int           // to align: 5000
	Searches   int           // at a time: the number of CPUs, at least 2
	Queue      int           // searches waiting for their turn: 64
	Forms      int           // with photos, being received at a time: 8
	Wait       time.Duration // of a search for its turn: 2 s
	Timeout    time.Duration // of a request: 15 s
	CacheBytes int64         // encoded photos of users: 32 MiB
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for name, v := range map[string]int64{
		"ThumbBytes": c.ThumbBytes, "ThumbDirBytes": c.ThumbDirBytes, "Poll": int64(c.Poll), "StopTimeout": int64(c.StopTimeout),
		"BodyBytes": c.Limits.BodyBytes, "JSONBytes": c.Limits.JSONBytes, "Forms": int64(c.Limits.Forms), "Pixels": c.Limits.Pixels, "TextBytes": int64(c.Limits.TextBytes),
		"Parts": int64(c.Limits.Parts), "K": int64(c.Limits.K), "Candidates": int64(c.Limits.Candidates),
		"Searches": int64(c.Limits.Searches), "Queue": int64(c.Limits.Queue), "Wait": int64(c.Limits.Wait),
		"Timeout": int64(c.Limits.Timeout), "CacheBytes": c.Limits.CacheBytes,
	} {
		if v < 0 {
			return c, fmt.Errorf("%w: %s is %d, below 0", ErrOptions, name, v)
		}
	}
	if c.Token != "" && len(c.Token) < minToken {
		return c, fmt.Errorf("%w: a token of %d bytes can be guessed; it needs at least %d, as openssl rand -hex 16 makes them", ErrOptions, len(c.Token), minToken)
	}
	orDefault(&c.ThumbBytes, 64<<20)
	orDefault(&c.ThumbDirBytes, 512<<20)
	orDefault(&c.Poll, 2*time.Second)
	orDefault(&c.StopTimeout, 10*time.Second)
	l := &c.Limits
	orDefault(&l.BodyBytes, 32<<20)
	orDefault(&l.JSONBytes, 256<<10)
	orDefault(&l.Pixels, picture.DefaultMaxPixels)
	orDefault(&l.TextBytes, 2048)
	orDefault(&l.Parts, 16)
	orDefault(&l.K, 500)
	orDefault(&l.Candidates, 5000)
	orDefault(&l.Searches, max(2, runtime.GOMAXPROCS(0)))
	orDefault(&l.Queue, 64)
	orDefault(&l.Forms, 8)
	orDefault(&l.Wait, 2*time.Second)
	orDefault(&l.Timeout, 15*time.Second)
	orDefault(&l.CacheBytes, 32<<20)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
