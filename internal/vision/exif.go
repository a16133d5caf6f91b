package vision

import (
	"bytes"
	"encoding/binary"
)

// exifOrientation reads tag 0x0112 of the first directory in a TIFF block: 1…8, and 1 (upright)
// when the block is absent or makes no sense, since a photo with broken metadata is still a photo.
func exifOrientation(tiff []byte) int {
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
				return v
			}
			break
		}
		entries = entries[entry:]
	}
	return 1
}

var exifPrefix = []byte("Exif\x00\x00")

// jpegExif finds the APP1 segment that holds EXIF.
func jpegExif(data []byte) []byte {
	b := data[2:]
	for len(b) >= 4 && b[0] == 0xff {
		const fill, app1, sos = 0xff, 0xe1, 0xda
		marker := b[1]
		if marker == fill {
			b = b[1:]
			continue
		}
		n := int(binary.BigEndian.Uint16(b[2:])) // counts its own two bytes
		if marker == sos || n < 2 || n > len(b)-2 {
			break
		}
		if body := b[4 : 2+n]; marker == app1 && bytes.HasPrefix(body, exifPrefix) {
			return body[len(exifPrefix):]
		}
		b = b[2+n:]
	}
	return nil
}

// pngExif finds the eXIf chunk.
func pngExif(data []byte) []byte {
	const signature, overhead = 8, 12 // length, type, CRC
	b := data[signature:]
	for len(b) >= overhead {
		n := int64(binary.BigEndian.Uint32(b))
		if n > int64(len(b)-overhead) {
			break
		}
		if string(b[4:8]) == "eXIf" {
			return b[8 : 8+n]
		}
		b = b[overhead+n:]
	}
	return nil
}

// webpExif finds the EXIF chunk, which some writers begin as in a JPEG.
func webpExif(data []byte) []byte {
	for _, c := range riffChunks(data[webpHeader:]) {
		if c.id == "EXIF" {
			return bytes.TrimPrefix(c.data, exifPrefix)
		}
	}
	return nil
}
