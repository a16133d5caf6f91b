package traincmd

import (
	"context"
	"fmt"
	"time"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/featurecache"
	"github.com/aladin-go/aladin/internal/source"
)

var cacheVerb = cli.Verb{
	Name: "cache", Summary: "list or remove the regions kept from training",
	Args: "[--clean] [--older DAYS]",
	About: `
Lists the files in which aladin-train run keeps the regions of photos, so that no photo is looked at twice
with the same extractor, whatever collection it is in. They take as many bytes as run's --cache-size allows;
beyond that those go first that were not used for longest. A run makes again what it misses.

  aladin-train cache
  aladin-train cache --clean --older 30
`,
	Setup: func(f *cli.Flags) cli.Body {
		c := &cacheOptions{}
		f.StringVar(&c.dir, "cache", "", "`folder` given to run as --cache (default: in the user's cache)")
		f.BoolVar(&c.clean, "clean", false, "remove them")
		f.IntVar(&c.older, "older", 0, "only those that no run used for so many `days`")
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
	files, err := featurecache.List(c.dir)
	if err != nil {
		return err
	}
	verb, n, bytes := "", 0, int64(0)
	if c.clean {
		verb = "removed "
	}
	for _, f := range files {
		if time.Since(f.Used) < time.Duration(c.older)*24*time.Hour {
			continue
		}
		if c.clean {
			removed, err := f.Remove()
			if err != nil {
				return err
			}
			if !removed {
				fmt.Fprintf(env.Stdout, "in use: %s\n", f.Path)
				continue
			}
		}
		n, bytes = n+1, bytes+f.Bytes
		fmt.Fprintf(env.Stdout, "%s%s  %.1f MB  used %s\n", verb, f.Path, float64(f.Bytes)/1e6, f.Used.Format(time.DateOnly))
	}
	fmt.Fprintf(env.Stdout, "%s%d files, %.1f MB\n", verb, n, float64(bytes)/1e6)
	return nil
}

// cacheFlags say where a run keeps regions.
type cacheFlags struct {
	dir  string
	size float64 // GB
}

func (c *cacheFlags) register(f *cli.Flags) {
	f.StringVar(&c.dir, "cache", "", "`folder` for the regions of photos, which later runs find there (default: in the user's cache)")
	f.Float64Var(&c.size, "cache-size", featurecache.DefaultLimit/1e9, "`GB` that the folder may take; what was not used for longest goes first")
}

func (c *cacheFlags) check() error {
	if !(c.size > 0 && c.size < 1e9) {
		return fmt.Errorf("--cache-size %v GB", c.size)
	}
	return nil
}

func (c *cacheFlags) limit() int64 { return max(1, int64(c.size*1e9)) }
