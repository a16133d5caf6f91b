package weaviate

import (
	"crypto/sha1"
	"encoding/hex"
)

// uuid names things of a kind by a text, as version 5 of RFC 9562.
func uuid(namespace [16]byte, name string) string {
	h := sha1.New()
	h.Write(namespace[:])
	h.Write([]byte(name))
	u := h.Sum(nil)
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	var out [36]byte
	for i, at := range [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		hex.Encode(out[at:], u[i:i+1])
	}
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// Namespaces of the objects of a collection. They never change: they name what is stored.
var (
	itemSpace   = [16]byte{0x5d, 0x0e, 0x8b, 0x5c, 0x6a, 0x0f, 0x4c, 0x52, 0x9a, 0x21, 0x3f, 0x94, 0xd8, 0x0b, 0x77, 0x01}
	sharedSpace = [16]byte{0x5d, 0x0e, 0x8b, 0x5c, 0x6a, 0x0f, 0x4c, 0x52, 0x9a, 0x21, 0x3f, 0x94, 0xd8, 0x0b, 0x77, 0x02}
)

// itemUUID is the name of an item's object.
func itemUUID(id string) string { return uuid(itemSpace, id) }

const nilUUID = "00000000-0000-0000-0000-000000000000"
