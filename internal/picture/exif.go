package picture

import (
	"bytes"
)

// exifOrientation is how a TIFF block says the picture lies: upright where the block is absent or makes no
// sense, since a photo with broken metadata is still a photo.
func exifOrientation(block []byte) turn {
	b, dirs := readTIFF(bytes.NewReader(block), int64(len(block)))
	if len(dirs) == 0 {
		return upright
	}
	if o := dirs[0].find(tagOrientation).number(b.order, 0); o >= 1 && o <= 8 {
		return turn(o)
	}
	return upright
}

// exifPrefix begins the APP1 segment of a JPEG that holds EXIF.
var exifPrefix = []byte("Exif\x00\x00")

// jpegExif is the TIFF block of a JPEG, or nil.
func (in *input) jpegExif() []byte {
	for s := range in.jpegSegments() {
		const app1 = 0xe1
		if s.marker != app1 {
			continue
		}
		if b, err := in.part(s.at, s.n); err == nil && bytes.HasPrefix(b, exifPrefix) {
			return b[len(exifPrefix):]
		}
	}
	return nil
}

// maxExif bounds the EXIF block of formats that do not bound it themselves.
const maxExif = 1 << 20

// pngExif is the eXIf chunk, or nil.
func (in *input) pngExif() []byte {
	for s := range in.pngChunks() {
		if s.name == "eXIf" {
			b, _ := in.part(s.at, min(s.n, maxExif))
			return b
		}
	}
	return nil
}

// webpExif is the EXIF chunk, which some writers begin as in a JPEG, or nil.
func (in *input) webpExif() []byte {
	for s := range in.riffChunks() {
		if s.name == "EXIF" {
			b, _ := in.part(s.at, min(s.n, maxExif))
			return bytes.TrimPrefix(b, exifPrefix)
		}
	}
	return nil
}
