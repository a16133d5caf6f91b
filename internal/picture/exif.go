package picture

import (
	"bytes"
	"encoding/binary"
)

// exifOrientation reads tag 0x0112 of the first directory in a TIFF block: 1…8, and 1 (upright)
// when the block is absent or makes no sense, since a photo with broken metadata is still a photo.
func exifOrientation(tiff []byte) turn {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	const entry = 12
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entry {
			break
		}
		const orientation, short = 0x0112, 3
		if order.Uint16(entries) == orientation && order.Uint16(entries[2:]) == short {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return turn(v)
			}
			break
		}
		entries = entries[entry:]
	}
	return 1
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
