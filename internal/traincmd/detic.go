package traincmd

import (
	"context"
	"fmt"
	"io"

	"github.com/aladin-go/aladin/internal/atomicfile"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/shelve"
	"github.com/aladin-go/aladin/internal/vinvl"
)

var deticVerb = cli.Verb{
	Name: "detic", Summary: "convert ALADIN-2.0's shelve of Detic's detections",
	Args: "SHELF --out FEATURES/detic.tsv",
	About: `
Writes detic.tsv, which --detection det and its kin read beside features.tsv, from the shelve that ALADIN-2.0
keeps Detic's detections in: a file of GNU dbm, or the .dir and .dat of dbm.dumb. Nothing in it is executed.

  aladin-train detic detic_coco --out features/detic.tsv
`,
	Setup: func(f *cli.Flags) cli.Body {
		out := f.String("out", "", "`file` to write; one that is there is replaced when the new one is whole")
		return func(ctx context.Context, env cli.Env, args []string) error {
			if len(args) != 1 || *out == "" {
				return cli.Misuse("want the shelf and --out FEATURES/detic.tsv")
			}
			shelf, err := shelve.Open(args[0])
			if err != nil {
				return err
			}
			defer shelf.Close()
			w := &watcher{out: env.Stderr}
			defer w.done()
			err = atomicfile.Write(*out, func(f io.Writer) error {
				return vinvl.WriteDetic(ctx, f, shelf, w.progress("converting"))
			})
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			w.done()
			fmt.Fprintf(env.Stdout, "%s: %d pictures\n", *out, shelf.Len())
			return nil
		}
	},
}
