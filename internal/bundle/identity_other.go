//go:build !unix

package bundle

import "io/fs"

func identity(fs.FileInfo) string { return "-" }
