package container

import (
	"encoding/binary"
	"fmt"

	"github.com/aladin-go/aladin/format"
)

// verifier walks a flatbuffer against our schema before any generated accessor
// reads it: the Go runtime of FlatBuffers follows offsets unchecked. Every
// table, vtable, vector and string must lie inside the buffer and be aligned,
// and all vectors together may not exceed the buffer, so that offsets pointing
// at one vector many times cannot multiply what is decoded.
type verifier struct {
	b      []byte
	budget int
}

// Sizes of the schema's structs.
const (
	fbSection = 24
	fbExtent  = 24
)

// verifyManifest checks that b is a well-formed Manifest buffer.
func verifyManifest(b []byte) error {
	v := &verifier{b: b, budget: len(b)}
	if len(b) < 8 {
		return fmt.Errorf("manifest of %d bytes: %w", len(b), format.ErrCorrupt)
	}
	if string(b[4:8]) != "ALDN" {
		return fmt.Errorf("manifest identifier %q: %w", b[4:8], format.ErrCorrupt)
	}
	t, err := v.table(0)
	if err != nil {
		return err
	}
	// Fields in the order of manifest.fbs.
	for i, size := range []int{8, 0, 4, 4, 2, 2} {
		if size == 0 {
			continue
		}
		if _, err := t.field(i, size); err != nil {
			return err
		}
	}
	if err := t.string(1); err != nil {
		return err
	}
	if _, _, err := t.vector(6, fbSection, 8); err != nil {
		return err
	}
	if _, _, err := t.vector(8, fbExtent, 8); err != nil {
		return err
	}
	pos, n, err := t.vector(7, 4, 4)
	if err != nil {
		return err
	}
	for i := range n {
		s, err := v.table(pos + 4*i)
		if err != nil {
			return err
		}
		for i, size := range []int{4, 4, 8} {
			if _, err := s.field(i, size); err != nil {
				return err
			}
		}
		if _, _, err := s.vector(3, fbSection, 8); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) bad(pos int, what string) error {
	return fmt.Errorf("manifest byte %d: %s: %w", pos, what, format.ErrCorrupt)
}

// indirect follows the forward offset stored at pos.
func (v *verifier) indirect(pos int) (int, error) {
	if pos < 0 || pos%4 != 0 || pos > len(v.b)-4 {
		return 0, v.bad(pos, "offset outside the buffer")
	}
	off := int64(binary.LittleEndian.Uint32(v.b[pos:]))
	to := int64(pos) + off
	if off < 4 || to > int64(len(v.b)-4) || to%4 != 0 {
		return 0, v.bad(pos, "offset leads outside the buffer")
	}
	return int(to), nil
}

type fbTable struct {
	v                *verifier
	pos, size        int // of the table
	vtable, vtableSz int
}

// table checks the table that the offset at pos leads to, and its vtable.
func (v *verifier) table(pos int) (fbTable, error) {
	p, err := v.indirect(pos)
	if err != nil {
		return fbTable{}, err
	}
	vt := int64(p) - int64(int32(binary.LittleEndian.Uint32(v.b[p:])))
	if vt < 0 || vt%2 != 0 || vt > int64(len(v.b)-4) {
		return fbTable{}, v.bad(p, "vtable outside the buffer")
	}
	t := fbTable{v: v, pos: p, vtable: int(vt)}
	t.vtableSz = int(binary.LittleEndian.Uint16(v.b[vt:]))
	t.size = int(binary.LittleEndian.Uint16(v.b[vt+2:]))
	if t.vtableSz < 4 || t.vtableSz%2 != 0 || t.vtableSz > len(v.b)-t.vtable {
		return fbTable{}, v.bad(t.vtable, "vtable exceeds the buffer")
	}
	if t.size < 4 || t.size > len(v.b)-p {
		return fbTable{}, v.bad(p, "table exceeds the buffer")
	}
	return t, nil
}

// field returns the position of field i, or 0 when it is absent.
func (t fbTable) field(i, size int) (int, error) {
	at := 4 + 2*i
	if at >= t.vtableSz {
		return 0, nil
	}
	off := int(binary.LittleEndian.Uint16(t.v.b[t.vtable+at:]))
	if off == 0 {
		return 0, nil
	}
	if off < 4 || off+size > t.size || (t.pos+off)%size != 0 {
		return 0, t.v.bad(t.vtable+at, "field outside its table")
	}
	return t.pos + off, nil
}

// vector returns position and count of the elements of vector field i.
func (t fbTable) vector(i, elem, align int) (pos, n int, err error) {
	f, err := t.field(i, 4)
	if err != nil || f == 0 {
		return 0, 0, err
	}
	p, err := t.v.indirect(f)
	if err != nil {
		return 0, 0, err
	}
	count := int64(binary.LittleEndian.Uint32(t.v.b[p:]))
	bytes := count * int64(elem)
	if bytes > int64(len(t.v.b)-p-4) || (p+4)%align != 0 {
		return 0, 0, t.v.bad(p, "vector exceeds the buffer")
	}
	if t.v.budget -= int(bytes); t.v.budget < 0 {
		return 0, 0, t.v.bad(p, "vectors overlap")
	}
	return p + 4, int(count), nil
}

func (t fbTable) string(i int) error {
	pos, n, err := t.vector(i, 1, 1)
	if err != nil || pos == 0 {
		return err
	}
	if pos+n >= len(t.v.b) || t.v.b[pos+n] != 0 {
		return t.v.bad(pos, "string without its zero")
	}
	return nil
}
