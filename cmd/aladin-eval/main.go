// Command aladin-eval evaluates image–text retrieval: see aladin-eval --help.
package main

import (
	"os"

	_ "github.com/aladin-go/aladin/heif" // photos of phones
	"github.com/aladin-go/aladin/internal/evalcmd"
)

func main() { os.Exit(evalcmd.Program.Main()) }
