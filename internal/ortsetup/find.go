// Package ortsetup knows where the ONNX Runtime library lies on a machine and how it gets there.
//
// [Find] looks in three places, in this order: the environment variable ALADIN_ONNXRUNTIME (a file or a
// folder), the user's cache folder (where [Install] puts it), and the usual system folders. Install
// fetches it once with npm or pip, checks it against a pinned checksum and never runs an install script.
//
// The package is plain Go: commands that set a machine up must not need what they set up.
package ortsetup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
)

const (
	// Version is the release of ONNX Runtime that Install fetches and that the project is tested with.
	Version = "1.29.0"
	// MinVersion is the oldest release with the C API that the binding asks for.
	MinVersion = "1.24"
	// EnvLibrary names the environment variable that points at a library of the user's own.
	EnvLibrary = "ALADIN_ONNXRUNTIME"
	// SetupCommand is what a user runs to get the library, in any folder; CUDACommand adds the CUDA provider.
	SetupCommand = "go run github.com/aladin-go/aladin/scripts/setup@latest"
	CUDACommand  = SetupCommand + " -cuda"
)

// ErrNotFound is returned when no ONNX Runtime library is on the machine.
var ErrNotFound = errors.New("ONNX Runtime library not found")

// Platform names this machine as npm packages do: linux-x64, linux-arm64, darwin-arm64, win32-x64, …
func Platform() string { return platformName(runtime.GOOS, runtime.GOARCH) }

func platformName(goos, goarch string) string {
	switch goos {
	case "windows":
		goos = "win32"
	}
	switch goarch {
	case "amd64":
		goarch = "x64"
	}
	return goos + "-" + goarch
}

// Dir is the folder that Install fills: <user cache>/aladin/onnxruntime/<version>/<platform>.
func Dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for the ONNX Runtime library: %w; set %s instead", err, EnvLibrary)
	}
	return filepath.Join(cache, "aladin", "onnxruntime", Version, Platform()), nil
}

// Find returns the path of the library. Its error says what to run.
func Find() (string, error) {
	if p := os.Getenv(EnvLibrary); p != "" {
		return findIn(EnvLibrary, p)
	}
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	for _, d := range append([]string{dir}, systemDirs()...) {
		if lib := libraryIn(d); lib != "" {
			return lib, nil
		}
	}
	return "", fmt.Errorf("%w: run `%s` (it downloads ONNX Runtime %s to %s), or set %s to the library's path",
		ErrNotFound, SetupCommand, Version, dir, EnvLibrary)
}

// In returns the library that a path names: a file, or a folder that holds it.
func In(path string) (string, error) { return findIn("the program", path) }

// findIn resolves what somebody names: it must exist, nothing else is tried.
func findIn(who, p string) (string, error) {
	mend := fmt.Sprintf("correct it, or leave it out and run `%s`", SetupCommand)
	if who == EnvLibrary {
		mend = fmt.Sprintf("correct it, or unset it and run `%s`", SetupCommand)
	}
	info, err := os.Stat(p)
	if err != nil {
		return "", fmt.Errorf("%w: %s names %s: %w; %s", ErrNotFound, who, p, err, mend)
	}
	if !info.IsDir() {
		return p, nil
	}
	if lib := libraryIn(p); lib != "" {
		return lib, nil
	}
	return "", fmt.Errorf("%w: %s names the folder %s, which holds no %s; %s", ErrNotFound, who, p, libraryNames(runtime.GOOS)[0], mend)
}

// libraryIn is the newest library in dir, "" when there is none.
func libraryIn(dir string) string {
	for _, pattern := range libraryNames(runtime.GOOS) {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			continue // the patterns are constants; a bad one can only come from odd characters in dir
		}
		sort.Strings(found)
		for i := len(found) - 1; i >= 0; i-- {
			if info, err := os.Stat(found[i]); err == nil && info.Mode().IsRegular() {
				return found[i]
			}
		}
	}
	return ""
}

// libraryNames are the file name patterns of the library, preferred first.
func libraryNames(goos string) []string {
	switch goos {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.dylib", "libonnxruntime.*.dylib"}
	default:
		return []string{"libonnxruntime.so.1", "libonnxruntime.so", "libonnxruntime.so.*"}
	}
}

// systemDirs are the places where packages and users put shared libraries; a program's own folder comes first.
func systemDirs() []string {
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(exe))
	}
	switch runtime.GOOS {
	case "windows":
	case "darwin":
		dirs = append(dirs, filepath.SplitList(os.Getenv("DYLD_LIBRARY_PATH"))...)
		dirs = append(dirs, "/opt/homebrew/lib", "/usr/local/lib")
	default:
		dirs = append(dirs, filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...)
		dirs = append(dirs, "/usr/local/lib", "/usr/local/lib64", "/usr/lib64", "/usr/lib")
		if triple := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]; triple != "" {
			dirs = append(dirs, filepath.Join("/usr/lib", triple))
		}
	}
	return dirs
}
