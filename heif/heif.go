// Package heif lets a program read HEIC and AVIF photos, as phones make them. Import it for its effect:
//
//	import _ "github.com/aladin-go/aladin/heif"
//
// The decoders are libheif with libde265, and libavif with libaom, compiled to WebAssembly, which run in a
// sandbox with as much memory as a photo needs: about 9 bytes a pixel for HEIC, and 25 for AVIF. Programs
// that do not import the package are smaller by some four megabytes, and count such photos as not read. See
// the licences of these libraries (LGPL 3 and BSD) before you pass a program on that contains them.
package heif

import _ "github.com/aladin-go/aladin/internal/heif" // registers the decoders
