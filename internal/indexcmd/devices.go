package indexcmd

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/ort"
)

var devicesVerb = cli.Verb{
	Name: "devices", Args: "[options]", Summary: "list what models can run on",
	About: `
Lists the processor and the GPUs that this machine has for --device, and what --device auto comes to. A
software adapter is a driver that computes on the processor: auto never takes it.

  aladin-index devices --json
`,
	Setup: func(f *cli.Flags) cli.Body {
		var t cli.Output
		t.Register(f)
		return func(_ context.Context, env cli.Env, args []string) error {
			if len(args) > 0 {
				return cli.Misuse("%q is one argument too many", args[0])
			}
			list := ort.List()
			if t.JSON {
				return cli.WriteJSON(env.Stdout, list)
			}
			w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			for _, h := range list.Hardware {
				note := ""
				switch {
				case h.Problem != "":
					note = h.Problem
				case h.Software:
					note = "software"
				case h.Memory > 0:
					note = size(h.Memory)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", h.Device, h.Name, note)
			}
			fmt.Fprintf(w, "auto\t%s\t\n", list.Auto)
			if err := w.Flush(); err != nil {
				return err
			}
			for _, m := range list.Missing {
				fmt.Fprintln(env.Stderr, m)
			}
			return nil
		}
	},
}
