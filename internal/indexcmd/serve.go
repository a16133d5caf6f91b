package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/follow"
	"github.com/aladin-go/aladin/internal/modelflags"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/serve"
	"github.com/aladin-go/aladin/weaviate"
)

var serveVerb = cli.Verb{
	Name: "serve", Args: "FILE --model BUNDLE [--images DIR] [--addr 127.0.0.1:8080] [options]", Summary: "search in a browser, and by HTTP",
	About: `
Serves a search page and an HTTP API; GET /api/openapi.json describes it. When the index file changes, or on
SIGHUP, the server moves on to it without dropping a request. Photos are read from DIR and nowhere else; an
item's id is its path there. Only this machine can reach the server unless --addr says otherwise; then set a
token, in a file or the environment variable ALADIN_TOKEN.

  aladin-index serve photos.aladin --model photos.model --images ~/Photos
  aladin-index serve photos.aladin --model photos.model --images ~/Photos --sync
  aladin-index serve photos.aladin --model photos.model --images ~/Photos --addr :8080 --token-file token.txt
  curl 'http://127.0.0.1:8080/api/search?q=a+dog+without+people&k=3'
`,
	TakesHangup: true,
	Setup: func(f *cli.Flags) cli.Body {
		s := &serving{}
		s.model.Register(f)
		f.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`address` to listen at; port 0 takes a free one")
		f.StringVar(&s.opts.Images, "images", "", "`folder` of the photos")
		f.BoolVar(&s.opts.Follow, "follow", false, "show photos, too, that links in the folder lead to outside of it")
		f.BoolVar(&s.sync, "sync", false, "keep the index in step with --images, or with the folders that it follows, as sync does, while it serves")
		f.IntVar(&s.scenes, "scenes", 0, "show the first `n` generated scenes as photos, for an index built with --scenes")
		f.Uint64Var(&s.seed, "seed", 0, "`seed` of the scenes")
		f.StringVar(&s.split, "split", "test", "which `part` of the scenes: train, val or test")
		f.Group("Who may use it")
		f.StringVar(&s.tokenFile, "token-file", "", "`file` with the token that clients must send")
		f.Var((*cli.List)(&s.opts.Hosts), "host", "a `name` that the server goes by, as behind a proxy; may be repeated")
		f.Var((*cli.List)(&s.opts.Origins), "origin", "an `origin` of other web pages that may use the API, such as https://example.org; may be repeated")
		f.Group(cli.Advanced)
		f.StringVar(&s.opts.ThumbDir, "thumbs", defaultThumbs(), "`folder` to keep thumbnails in; none for memory only")
		f.IntVar(&s.opts.Limits.K, "max-k", 500, "most `hits` of a search")
		f.IntVar(&s.opts.Limits.Candidates, "max-candidates", 5000, "most `candidates` of a search")
		f.Int64Var(&s.opts.Limits.BodyBytes, "max-body", 32<<20, "most `bytes` of a request")
		f.IntVar(&s.opts.Limits.Searches, "searches", 0, "`number` of searches at a time; 0 is the number of cores")
		f.IntVar(&s.opts.Limits.Queue, "queue", 64, "`number` of searches that may wait for their turn")
		f.DurationVar(&s.opts.Limits.Timeout, "timeout", 0, "most `time` for a request; 0 is 15s")
		f.Group("Log")
		f.BoolVar(&s.opts.LogQueries, "log-queries", false, "log what people search for")
		f.BoolVar(&s.jsonLog, "log-json", false, "log as JSON lines")
		f.BoolVar(&s.quiet, "quiet", false, "log only what goes wrong")
		return s.serve
	},
}

type serving struct {
	model          modelflags.Flags
	addr           string
	sync           bool
	scenes         int
	seed           uint64
	split          string
	tokenFile      string
	opts           serve.Options
	jsonLog, quiet bool
}

// tokenVariable holds the token when no file does.
const tokenVariable = "ALADIN_TOKEN"

func defaultThumbs() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "none"
	}
	return filepath.Join(dir, "aladin", "thumbs")
}

func (s *serving) serve(ctx context.Context, env cli.Env, args []string) (err error) {
	file, err := indexName(args)
	if err != nil {
		return err
	}
	watched := file
	if weaviate.IsAddress(file) {
		if watched = ""; s.sync {
			return cli.Misuse("--sync keeps a file in step; sync a file and push it to %s", file)
		}
	}
	if err := s.complete(); err != nil {
		return err
	}
	s.opts.Limits.Pixels = s.model.Pixels
	c, err := s.model.Collection(file, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	encoder, ok := c.Model.(follow.Encoder)
	if s.sync && !ok {
		return cli.Misuse("--sync wants a model that encodes photos")
	}
	s.opts.Logger = s.logger(env)
	srv, err := serve.New(ctx, c, watched, &s.opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	if a, ok := ln.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() && s.opts.Token == "" {
		s.opts.Logger.Warn("other machines can reach this server and it wants no token; see --token-file")
	}
	fmt.Fprintf(env.Stdout, "http://%s\n", ln.Addr())
	inner, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch(inner, srv)
	}()
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		if s.sync {
			s.follow(inner, encoder, file)
		}
	}()
	err = srv.Serve(ctx, ln) // stopping by signal is how it should end
	stop()
	<-done
	<-followed
	return err
}

// follow keeps the index in step with its folders; the server notices when the file changes.
func (s *serving) follow(ctx context.Context, m follow.Encoder, file string) {
	o := &follow.Options{}
	if s.opts.Images != "" {
		o.Roots = []follow.Root{{Dir: s.opts.Images}}
	}
	follow.Watch(ctx, file, m, o, func(sum *follow.Summary, err error) {
		if err != nil {
			s.opts.Logger.Error("the index does not follow its folders", "error", err)
			return
		}
		s.opts.Logger.Info("the index is in step with its folders", "done", sum.String(), "items", sum.Items,
			"unreadable", len(sum.Unreadable), "passed", sum.Passed.String())
	})
}

// watch refreshes the index when its file changes and on SIGHUP.
func watch(ctx context.Context, srv *serve.Server) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		srv.Watch(ctx)
	}()
	defer func() { <-watched }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			_, _ = srv.Refresh(ctx) // it logs
		}
	}
}

// complete makes options of the flags that are none by themselves.
func (s *serving) complete() error {
	if s.opts.ThumbDir == "none" {
		s.opts.ThumbDir = ""
	}
	s.opts.Token = strings.TrimSpace(os.Getenv(tokenVariable))
	if s.tokenFile != "" {
		data, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return err
		}
		if s.opts.Token = strings.TrimSpace(string(data)); s.opts.Token == "" {
			return fmt.Errorf("%s: no token in it", s.tokenFile)
		}
	}
	switch {
	case s.scenes < 0:
		return cli.Misuse("--scenes %d", s.scenes)
	case s.scenes > 0 && s.opts.Images != "":
		return cli.Misuse("--images or --scenes, not both")
	case s.scenes > 0:
		split, ok := map[string]scenes.Split{"train": scenes.Train, "val": scenes.Val, "test": scenes.Test}[s.split]
		if !ok {
			return cli.Misuse("--split %q, want train, val or test", s.split)
		}
		s.opts.ThumbDir = "" // they are drawn as fast as read
		s.opts.Photos = newScenePhotos(s.scenes, s.seed, split)
	}
	return nil
}

func (s *serving) logger(env cli.Env) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if s.quiet {
		o.Level = slog.LevelWarn
	}
	if s.jsonLog {
		return slog.New(slog.NewJSONHandler(env.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(env.Stderr, o))
}
