package torch

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"math/big"
)

// A Dict is a Python dict or OrderedDict: it keeps the order of insertion. Keys are as in Python, so 1,
// 1.0 and True are one key, and a Tuple is found by its content. The zero Dict is empty and ready; a nil
// one may be read.
type Dict struct {
	Ordered bool // a collections.OrderedDict
	// State is the attributes of an OrderedDict: a module's state dict carries its _metadata here.
	State any

	keys, values []any
	index        map[any]int
}

// NewDict is a dict of strings to values, in the order of the arguments name, value, name, value…
// It panics when a name is not a string, which is a mistake in the program.
func NewDict(pairs ...any) *Dict {
	d := &Dict{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i].(string), pairs[i+1])
	}
	return d
}

// Len is the number of items.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.keys)
}

// Get finds an item. Integer keys may be given as int or int64.
func (d *Dict) Get(key any) (any, bool) {
	h, err := hash(key)
	if err != nil || d == nil {
		return nil, false
	}
	i, ok := d.index[h]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// Set puts an item under a name.
func (d *Dict) Set(name string, value any) { d.put(name, name, value) }

// SetKey puts an item under any key; lists and dicts are no keys.
func (d *Dict) SetKey(key, value any) error {
	h, err := hash(key)
	if err != nil {
		return err
	}
	if n, ok := key.(int); ok {
		key = int64(n)
	}
	d.put(h, key, value)
	return nil
}

// put stores an item whose key has the hash h. A key that is there keeps its place.
func (d *Dict) put(h, key, value any) {
	if i, ok := d.index[h]; ok {
		d.values[i] = value
		return
	}
	if d.index == nil {
		d.index = make(map[any]int)
	}
	d.index[h] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
}

// rehash finds the keys anew after freezing may have changed them: NumPy's numbers become plain ones.
func (d *Dict) rehash() error {
	keys, values := d.keys, d.values
	d.keys, d.values, d.index = nil, nil, nil
	for i, k := range keys {
		if err := d.SetKey(k, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// All goes through the items in order.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		for i := range d.Len() {
			if !yield(d.keys[i], d.values[i]) {
				return
			}
		}
	}
}

// Keys that Go cannot compare, or that Python compares otherwise, are looked up by one of these.
type (
	hashNil   struct{}
	hashBig   string
	hashBytes string
	hashTuple string
)

// hash is a comparable stand-in for a key: equal where Python's keys are equal.
func hash(key any) (any, error) {
	switch k := key.(type) {
	case nil:
		return hashNil{}, nil
	case string, int64, Class, *Object, *Tensor, *Storage:
		return k, nil
	case int:
		return int64(k), nil
	case bool:
		if k {
			return int64(1), nil
		}
		return int64(0), nil
	case float64:
		if n := int64(k); k == math.Trunc(k) && math.Abs(k) < 1<<62 {
			return n, nil
		}
		return k, nil
	case *big.Int:
		return hashBig(k.Bytes()) + hashBig(rune('0'+k.Sign())), nil
	case []byte:
		return hashBytes(k), nil
	case Tuple:
		b, err := appendTuple(nil, k, 0)
		return hashTuple(b), err
	}
	return nil, fmt.Errorf("%w: a %T as the key of a dict", ErrFormat, key)
}

const (
	maxTupleKey      = 4096 // bytes of a tuple's hash
	maxTupleKeyDepth = 16
)

func appendTuple(b []byte, t Tuple, depth int) ([]byte, error) {
	if depth > maxTupleKeyDepth {
		return nil, fmt.Errorf("%w: a tuple %d deep as the key of a dict", ErrLimit, depth)
	}
	b = binary.AppendUvarint(append(b, '('), uint64(len(t)))
	for _, x := range t {
		n := len(b)
		switch x := x.(type) {
		case string:
			n += len(x)
		case []byte:
			n += len(x)
		case *big.Int:
			n += x.BitLen() / 8
		}
		if n > maxTupleKey {
			return nil, fmt.Errorf("%w: a tuple of over %d bytes as the key of a dict", ErrLimit, maxTupleKey)
		}
		if inner, ok := x.(Tuple); ok {
			var err error
			if b, err = appendTuple(b, inner, depth+1); err != nil {
				return nil, err
			}
			continue
		}
		h, err := hash(x)
		if err != nil {
			return nil, err
		}
		b = appendHash(b, h)
	}
	return b, nil
}

// appendHash writes a hash with its kind and length, so that different tuples never read alike.
func appendHash(b []byte, h any) []byte {
	text := func(kind byte, s string) []byte {
		b = binary.AppendUvarint(append(b, kind), uint64(len(s)))
		return append(b, s...)
	}
	switch h := h.(type) {
	case hashNil:
		return append(b, 'n')
	case string:
		return text('s', h)
	case int64:
		return binary.AppendVarint(append(b, 'i'), h)
	case float64:
		return binary.LittleEndian.AppendUint64(append(b, 'f'), math.Float64bits(h))
	case hashBig:
		return text('l', string(h))
	case hashBytes:
		return text('b', string(h))
	case Class:
		return text('c', h.String())
	}
	return text('p', fmt.Sprintf("%p", h)) // an object is equal to itself only
}

// cost is the memory and the time that a hash of varying length takes.
func cost(h any) int64 {
	switch h := h.(type) {
	case string:
		return int64(len(h))
	case hashBig:
		return int64(len(h))
	case hashBytes:
		return int64(len(h))
	case hashTuple:
		return int64(len(h))
	}
	return 0
}
