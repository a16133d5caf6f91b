package picture

// A Kind is a format of picture files, as people call it.
type Kind string

// The formats that are told apart.
const (
	JPEG Kind = "JPEG"
	PNG  Kind = "PNG"
	GIF  Kind = "GIF"
	WebP Kind = "WebP"
)

// sniffed is how many bytes Sniff looks at, at most.
const sniffed = 32

// Sniff tells the format by a file's first bytes; "" is none of those known. Names mean nothing.
func Sniff(head []byte) Kind {
	has := func(at int, s string) bool { return len(head) >= at+len(s) && string(head[at:at+len(s)]) == s }
	switch {
	case has(0, "\xff\xd8\xff"):
		return JPEG
	case has(0, "\x89PNG\r\n\x1a\n"):
		return PNG
	case has(0, "GIF87a"), has(0, "GIF89a"):
		return GIF
	case has(0, "RIFF") && has(8, "WEBP"):
		return WebP
	}
	return ""
}

// MIME is the format's media type if browsers show it; "" if they do not.
func (k Kind) MIME() string {
	switch k {
	case JPEG:
		return "image/jpeg"
	case PNG:
		return "image/png"
	case GIF:
		return "image/gif"
	case WebP:
		return "image/webp"
	}
	return ""
}
