package indexcmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/modelflags"
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
		var (
			t     cli.Output
			model modelflags.Flags
		)
		t.Register(f)
		model.Register(f)
		return func(_ context.Context, env cli.Env, args []string) error {
			if len(args) > 0 {
				return cli.Misuse("%q is one argument too many", args[0])
			}
			list := devicesDocument{Listing: ort.List()}
			if model.Dir != "" {
				var err error
				if list.Networks, err = networks(modelflags.Find(model.Dir), model.Device); err != nil {
					return err
				}
			}
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
			for _, n := range list.Networks {
				fmt.Fprintf(w, "%s\ton %s\t%s\n", n.File, n.Device, n.left())
			}
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

type devicesDocument struct {
	ort.Listing
	Networks []network `json:"networks,omitempty"` // those of --model
}

// A network is one of a model's as it runs on a device.
type network struct {
	File   string         `json:"file"`
	Device string         `json:"device"`
	OnCPU  map[string]int `json:"on_cpu"` // operations that the device lacks, by operator
}

func (n *network) left() string {
	if n.Device == ort.CPU {
		return ""
	}
	var ops []string
	sum := 0
	for _, op := range slices.Sorted(maps.Keys(n.OnCPU)) {
		ops, sum = append(ops, fmt.Sprintf("%d %s", n.OnCPU[op], op)), sum+n.OnCPU[op]
	}
	if sum == 0 {
		return "all of it"
	}
	return fmt.Sprintf("but for %d operations: %s", sum, strings.Join(ops, ", "))
}

// networks opens the networks of a model's folder on a device.
func networks(dir, device string) ([]network, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, err
	}
	var list []network
	for _, name := range slices.Sorted(maps.Keys(b.Manifest.Files)) {
		if !strings.HasSuffix(name, ".onnx") || name == bundle.AlignFile {
			continue
		}
		path, err := b.Path(name)
		if err != nil {
			return nil, err
		}
		n, err := placed(path, device)
		if err != nil {
			return nil, err
		}
		n.File = name
		list = append(list, n)
	}
	return list, nil
}

func placed(path, device string) (n network, err error) {
	s, err := ort.Open(path, &ort.Options{Device: device, Placement: true})
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	n.Device = s.Device()
	n.OnCPU, err = s.OnCPU()
	return n, err
}
