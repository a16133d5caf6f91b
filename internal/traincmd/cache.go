package traincmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/source"
)

var cacheVerb = cli.Verb{
	Name: "cache", Summary: "list or remove the regions kept from training",
	Args: "[--clean] [--older DAYS]",
	About: `
Lists the files in which aladin-train run keeps the regions of pictures, so that a run on the same pictures
need not extract them again. Nothing removes them but --clean; a run makes again what it misses.

  aladin-train cache
  aladin-train cache --clean --older 30
`,
	Setup: func(f *cli.Flags) cli.Body {
		c := &cacheOptions{}
		f.StringVar(&c.dir, "cache", "", "`folder` given to run as --cache (default: in the user's cache)")
		f.BoolVar(&c.clean, "clean", false, "remove them")
		f.IntVar(&c.older, "older", 0, "only those made so many `days` ago or earlier")
		return c.run
	},
}

type cacheOptions struct {
	dir   string
	clean bool
	older int
}

func (c *cacheOptions) run(_ context.Context, env cli.Env, args []string) error {
	switch {
	case len(args) > 0:
		return cli.Misuse("what is %q?", args[0])
	case c.older < 0:
		return cli.Misuse("--older %d", c.older)
	}
	if c.dir == "" {
		dir, err := source.CacheDir()
		if err != nil {
			return err
		}
		c.dir = dir
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	verb, files, bytes := "", 0, int64(0)
	if c.clean {
		verb = "removed "
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasSuffix(e.Name(), source.CacheSuffix) {
			continue // gone, or none of ours
		}
		if time.Since(info.ModTime()) < time.Duration(c.older)*24*time.Hour {
			continue
		}
		path := filepath.Join(c.dir, e.Name())
		if c.clean {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		files, bytes = files+1, bytes+info.Size()
		fmt.Fprintf(env.Stdout, "%s%s  %.1f MB  %s\n", verb, path, float64(info.Size())/1e6, info.ModTime().Format(time.DateOnly))
	}
	fmt.Fprintf(env.Stdout, "%s%d files, %.1f MB\n", verb, files, float64(bytes)/1e6)
	return nil
}
