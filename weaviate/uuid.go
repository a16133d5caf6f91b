package weaviate

import (
	"crypto/sha1"
	"fmt"
)

// uuid names things of a kind by a text, as version 5 of RFC 9562.
func uuid(namespace [16]byte, name string) string {
	h := sha1.New()
	h.Write(namespace[:])
	h.Write([]byte(name))
	u := h.Sum(nil)
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// Namespaces of the objects of a collection. They never change: they name what is stored.
var (
	itemSpace   = [16]byte{0x5d, 0x0e, 0x8b, 0x5c, 0x6a, 0x0f, 0x4c, 0x52, 0x9a, 0x21, 0x3f, 0x94, 0xd8, 0x0b, 0x77, 0x01}
	sharedSpace = [16]byte{0x5d, 0x0e, 0x8b, 0x5c, 0x6a, 0x0f, 0x4c, 0x52, 0x9a, 0x21, 0x3f, 0x94, 0xd8, 0x0b, 0x77, 0x02}
)

// itemUUID is the name of an item's object.
func itemUUID(id string) string { return uuid(itemSpace, id) }

const nilUUID = "00000000-0000-0000-0000-000000000000"
