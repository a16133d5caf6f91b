package picture

// A Kind is a format of picture files, as people call it.
type Kind string

// The formats that are told apart.
const (
	JPEG Kind = "JPEG"
	PNG  Kind = "PNG"
	GIF  Kind = "GIF"
	WebP Kind = "WebP"
	TIFF Kind = "TIFF"
	BMP  Kind = "BMP"
	HEIC Kind = "HEIC"
	AVIF Kind = "AVIF"
	Raw  Kind = "camera raw" // of which the preview is read
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
	case has(0, "II*\x00\x10\x00\x00\x00CR"), has(0, "IIRO"), has(0, "IIRS"), has(0, "MMOR"), has(0, "IIU\x00"):
		return Raw // of Canon, Olympus and Panasonic
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		return TIFF // or what Open finds to be raw
	case has(0, "BM") && len(head) >= 18 && head[14] < 128 && head[15] == 0 && head[16] == 0 && head[17] == 0:
		return BMP
	case has(4, "ftyp"):
		return brand(head)
	}
	return ""
}

// brand tells the two picture formats in ISO media files by the brands that the file names.
func brand(head []byte) Kind {
	kind := Kind("")
	for at := 8; at+4 <= len(head); at += 4 {
		switch string(head[at : at+4]) {
		case "avif", "avis":
			return AVIF
		case "heic", "heix", "heim", "heis", "hevc", "hevx":
			kind = HEIC
		}
	}
	return kind
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
	case AVIF:
		return "image/avif"
	case BMP:
		return "image/bmp"
	}
	return ""
}
