// Package indexcmd is the command aladin-index: it builds index files from photos, searches and keeps them.
package indexcmd

import (
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/weaviate"
)

// Program is the command.
var Program = cli.Program{
	Name:  "aladin-index",
	About: "Makes and searches index files: pictures that can be found by sentences, and sentences by pictures.",
	Examples: `
  aladin-index build --model photos.model --images ~/Photos --out photos.aladin
  aladin-index search photos.aladin --model photos.model --explain "a dog catches a frisbee"
`,
	Verbs: []cli.Verb{buildVerb, mergeVerb, syncVerb, addVerb, deleteVerb, listVerb, tagVerb, compactVerb, pushVerb, searchVerb, pageVerb, serveVerb, duplicatesVerb, infoVerb, verifyVerb, devicesVerb},
}

// indexFile is the only argument: a file, and nothing that stands for one.
func indexFile(args []string) (string, error) {
	name, err := indexName(args)
	if err == nil && weaviate.IsAddress(name) {
		err = cli.Misuse("%s: this is done to files; an engine does it by itself", name)
	}
	return name, err
}

// indexName is the only argument: a file, or the address of a collection in an engine.
func indexName(args []string) (string, error) {
	switch len(args) {
	case 1:
		return args[0], nil
	case 0:
		return "", missingFile()
	}
	return "", cli.Misuse("%q is one argument too many; quote what belongs together", args[1])
}

// missingFile is the error of a verb without its first argument.
func missingFile() error { return cli.Misuse("FILE is missing: which index FILE?") }
