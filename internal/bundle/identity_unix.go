//go:build unix

package bundle

import (
	"fmt"
	"io/fs"
	"syscall"
)

// identity tells a file from another that was put in its place.
func identity(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
	}
	return "-"
}
