// Command aladin-index makes, searches and keeps index files: see aladin-index --help.
package main

import (
	"os"

	_ "github.com/aladin-go/aladin/heif" // photos of phones
	"github.com/aladin-go/aladin/internal/indexcmd"
)

func main() { os.Exit(indexcmd.Program.Main()) }
