// Package shareddata finds the measuring data that lies beside a checkout (../shared/data seen from
// the module's root) for tests. The data is not part of the project: where it is absent the test skips.
package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir is the path of ../shared/data/elem…; the test is skipped when it is not there.
func Dir(tb testing.TB, elem ...string) string {
	tb.Helper()
	root, err := moduleRoot()
	if err != nil {
		tb.Skipf("shared data: %v", err)
	}
	p := filepath.Join(append([]string{filepath.Dir(root), "shared", "data"}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		tb.Skipf("shared data absent: no %s beside the project", filepath.Join(append([]string{"shared", "data"}, elem...)...))
	}
	return p
}

// moduleRoot walks up from the working directory (a test's package folder) to go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", os.ErrNotExist
		}
		dir = up
	}
}
