package traincmd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/training/config"
)

var configsVerb = cli.Verb{
	Name: "configs", Summary: "list the configurations that come with the command, or print one",
	Args: "[NAME]",
	About: `
Lists the configurations, or prints one as a start for your own.

  aladin-train configs
  aladin-train configs photos > mine.yaml
`,
	Setup: func(f *cli.Flags) cli.Body {
		asJSON := f.Bool("json", false, "the list as JSON")
		return func(_ context.Context, env cli.Env, args []string) error {
			switch len(args) {
			case 0:
				return listConfigs(env, *asJSON)
			case 1:
				text, err := config.Text(args[0])
				if err != nil {
					return err
				}
				_, err = env.Stdout.Write(text)
				return err
			}
			return cli.Misuse("one name at most, have %q", args)
		}
	},
}

func listConfigs(env cli.Env, asJSON bool) error {
	type entry struct {
		Name    string `json:"name"`
		Summary string `json:"summary"`
	}
	var list []entry
	for _, name := range config.Names() {
		text, err := config.Text(name)
		if err != nil {
			return err
		}
		list = append(list, entry{name, summary(text)})
	}
	if asJSON {
		return cli.WriteJSON(env.Stdout, list)
	}
	for _, e := range list {
		fmt.Fprintf(env.Stdout, "%-52s %s\n", e.Name, e.Summary)
	}
	return nil
}

// summary is a configuration's first comment line.
func summary(text []byte) string {
	s := bufio.NewScanner(bytes.NewReader(text))
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), "#"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
