// Setup fetches ONNX Runtime into the user's cache folder: `make setup`, or with -cuda `make setup-cuda`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/aladin-go/aladin/internal/ortsetup"
)

func main() {
	cuda := flag.Bool("cuda", false, "fetch the CUDA provider too (linux/amd64)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report := func(line string) { fmt.Fprintln(os.Stderr, "setup:", line) }
	if _, err := ortsetup.Install(ctx, &ortsetup.Options{CUDA: *cuda, Report: report}); err != nil {
		report(err.Error())
		os.Exit(1)
	}
}
