//go:build cgo

package ort

import (
	"fmt"
	"os"
	"strings"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/aladin-go/aladin/internal/ortsetup"
)

// environment is ONNX Runtime's one environment of the process, made when first needed and kept.
var environment struct {
	sync.Mutex
	library string // "" until it is loaded
}

// Available says whether sessions can be opened: the library is there and loads.
func Available() bool {
	_, err := load("")
	return err == nil
}

// load makes the environment unless it is there, and returns the path of the library: the one that wanted
// names, or if that is empty any. A failure is not remembered: the user may have mended it.
func load(wanted string) (string, error) {
	environment.Lock()
	defer environment.Unlock()
	if environment.library != "" && wanted == "" {
		return environment.library, nil
	}
	path, err := library(wanted)
	if err != nil {
		return "", err
	}
	if environment.library != "" {
		if !sameFile(path, environment.library) {
			return "", fmt.Errorf("%w: %s is wanted, but this process has loaded %s and cannot load another", ErrUnavailable, path, environment.library)
		}
		return environment.library, nil
	}
	if err := quiet(); err != nil {
		return "", err
	}
	onnxruntime.SetSharedLibraryPath(path)
	// Errors come back as values; ONNX Runtime's own lines on stderr would only repeat them.
	if err := onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelFatal()); err != nil {
		if strings.Contains(err.Error(), "Error setting ORT API base") {
			return "", fmt.Errorf("%w: %s is too old: ONNX Runtime %s or later is needed; run `%s`, or set %s to a newer one",
				ErrUnavailable, path, ortsetup.MinVersion, ortsetup.SetupCommand, ortsetup.EnvLibrary)
		}
		return "", fmt.Errorf("%w: loading %s: %w; run `%s` for a fresh copy, or set %s to another",
			ErrUnavailable, path, err, ortsetup.SetupCommand, ortsetup.EnvLibrary)
	}
	_ = onnxruntime.DisableTelemetry()
	environment.library = path
	return path, nil
}

// quiet keeps ONNX Runtime from reporting its use. Official builds from 1.29 on, the Linux ones included, look up
// an events host as soon as they are loaded, connect to it every few seconds, and leave files in the user's cache
// and temporary folders. DisableTelemetry comes too late for that, since it needs a loaded library. With cgo,
// os.Setenv sets the variable in C's environment as well, which is where the library reads it.
func quiet() error {
	if err := os.Setenv(envNoTelemetry, "1"); err != nil {
		return fmt.Errorf("%w: cannot switch its telemetry off: %w", ErrUnavailable, err)
	}
	return nil
}

const envNoTelemetry = "ORT_DISABLE_TELEMETRY"

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, yerr := os.Stat(b)
	return err == nil && yerr == nil && os.SameFile(x, y)
}
