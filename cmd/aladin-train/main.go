// Command aladin-train trains ALADIN models and imports published ones: see aladin-train --help.
package main

import (
	"os"

	"github.com/aladin-go/aladin/internal/traincmd"
)

func main() { os.Exit(traincmd.Program.Main()) }
