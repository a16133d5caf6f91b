package torch

import (
	"encoding/binary"
	"fmt"
	"math/big"
)

// The legacy container is a run of pickles, then the storages:
//
//	pickle: magic number        pickle: protocol version 1001
//	pickle: {"protocol_version", "little_endian", "type_sizes"}
//	pickle: the value, its storages as persistent ids
//	pickle: [key, …] of the storages, in the order in which they follow
//	for each: number of elements int64, then the elements
const legacyVersion = 1001

var errNotTorch = fmt.Errorf("%w: it starts neither as a zip nor with the number that torch.save writes", ErrFormat)

var legacyMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

// legacy is one such file being parsed.
type legacy struct {
	roots     map[string]*Storage
	bigEndian bool
}

func parseLegacy(data []byte) (*File, error) {
	magic, pos, err := unpickle(data, 0, nil)
	if err != nil {
		return nil, errNotTorch
	}
	if n, ok := magic.(*big.Int); !ok || n.Cmp(legacyMagic) != 0 {
		return nil, errNotTorch
	}
	version, pos, err := unpickle(data, pos, nil)
	if err != nil {
		return nil, err
	}
	if version != any(int64(legacyVersion)) {
		return nil, fmt.Errorf("%w: protocol version %v", ErrUnsupported, version)
	}
	info, pos, err := unpickle(data, pos, nil)
	if err != nil {
		return nil, err
	}
	l := &legacy{roots: map[string]*Storage{}}
	if d, ok := info.(*Dict); ok {
		if little, ok := d.Get("little_endian"); ok {
			l.bigEndian = little == any(false)
		}
	}
	start := pos
	raw, pos, err := unpickle(data, pos, l.persistent)
	if err != nil {
		return nil, err
	}
	size := pos - start
	keys, pos, err := unpickle(data, pos, nil)
	if err != nil {
		return nil, err
	}
	if err := l.fill(data, pos, keys); err != nil {
		return nil, err
	}
	value, err := freeze(raw, size)
	if err != nil {
		return nil, err
	}
	return &File{format: "legacy", value: value}, nil
}

// persistent makes the storage that a persistent id names; its elements come after the pickle.
func (l *legacy) persistent(id any) (any, error) {
	if t, ok := id.(Tuple); ok && len(t) >= 2 && t[0] == any("module") {
		return t[1], nil // ("module", class, source file, source): the class will do
	}
	sid, err := parseStorageID(id)
	if err != nil {
		return nil, err
	}
	root := l.roots[sid.key]
	if root == nil {
		root = &Storage{Type: sid.typ, Len: sid.len, Key: sid.key, Location: sid.location, bigEndian: l.bigEndian}
		l.roots[sid.key] = root
	} else if root.Type != sid.typ || root.Len != sid.len {
		return nil, fmt.Errorf("%w: storage %q is both %s[%d] and %s[%d]", ErrFormat, sid.key, root.Type, root.Len, sid.typ, sid.len)
	}
	if sid.view == nil {
		return root, nil
	}
	// (key, offset, elements): a storage that is part of another.
	v, ok := sid.view.(Tuple)
	if !ok || len(v) != 3 {
		return nil, fmt.Errorf("%w: view of storage %q", ErrFormat, sid.key)
	}
	span, ok := ints(v[1:])
	if !ok || span[0] < 0 || span[1] < 0 || span[0] > root.Len || span[1] > root.Len-span[0] {
		return nil, fmt.Errorf("%w: view of storage %q lies outside it", ErrFormat, sid.key)
	}
	key, _ := v[0].(string)
	s := &Storage{Type: root.Type, Len: span[1], Key: key, Location: root.Location, parent: root, from: span[0] * root.Type.Size()}
	return s, nil
}

// fill gives every storage its bytes of data, which start at pos.
func (l *legacy) fill(data []byte, pos int, keys any) error {
	names, ok := keys.(*list)
	if !ok {
		return fmt.Errorf("%w: the list of storages is a %T", ErrFormat, keys)
	}
	filled := 0
	for _, k := range names.items {
		key, _ := k.(string)
		s := l.roots[key]
		if s == nil || s.data != nil {
			return fmt.Errorf("%w: storage %q is listed twice or used nowhere", ErrFormat, key)
		}
		if len(data)-pos < 8 {
			return fmt.Errorf("%w: storage %q is cut short", ErrFormat, key)
		}
		b := data[pos:]
		order := binary.ByteOrder(binary.LittleEndian)
		if l.bigEndian {
			order = binary.BigEndian
		}
		if n := order.Uint64(b); n != uint64(s.Len) {
			return fmt.Errorf("%w: storage %q at byte %d has %d elements where %d are wanted", ErrFormat, key, pos, n, s.Len)
		}
		b = b[8:]
		if s.size() > len(b) {
			return fmt.Errorf("%w: storage %q has %d of %d bytes: the file is cut short", ErrFormat, key, len(b), s.size())
		}
		s.data = b[:s.size():s.size()]
		pos += 8 + s.size()
		filled++
	}
	if filled < len(l.roots) {
		return fmt.Errorf("%w: %d of %d storages are missing", ErrFormat, len(l.roots)-filled, len(l.roots))
	}
	return nil
}
