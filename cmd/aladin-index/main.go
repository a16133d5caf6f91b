// Command aladin-index makes, searches and keeps index files: see aladin-index --help.
package main

import (
	"os"

	"github.com/aladin-go/aladin/internal/indexcmd"
)

func main() { os.Exit(indexcmd.Program.Main()) }
