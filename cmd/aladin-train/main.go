// Command aladin-train trains ALADIN models and imports published ones: see aladin-train --help.
package main

import (
	"os"

	_ "github.com/aladin-go/aladin/heif" // photos of phones
	"github.com/aladin-go/aladin/internal/traincmd"
)

func main() { os.Exit(traincmd.Program.Main()) }
