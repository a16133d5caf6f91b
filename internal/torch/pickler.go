package torch

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aladin-go/aladin/internal/elem"
)

// A pickler writes protocol 2 with the opcodes that torch.load(weights_only=True) knows.
type pickler struct {
	b        []byte
	storages []*Storage // in the order of their keys "0", "1", …
	keys     map[*Storage]int
}

// marshal makes data.pkl and lists the storages that go with it.
func marshal(v any) ([]byte, []*Storage, error) {
	p := &pickler{b: []byte{0x80, 2}, keys: map[*Storage]int{}}
	if err := p.value(v, 0); err != nil {
		return nil, nil, err
	}
	return append(p.b, '.'), p.storages, nil
}

func (p *pickler) op(b ...byte)    { p.b = append(p.b, b...) }
func (p *pickler) global(c Class)  { p.b = append(p.b, 'c'); p.line(c.Module); p.line(c.Name) }
func (p *pickler) line(s string)   { p.b = append(append(p.b, s...), '\n') }
func (p *pickler) uint32(n uint32) { p.b = binary.LittleEndian.AppendUint32(p.b, n) }

func (p *pickler) value(v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested over %d deep, or containing itself", ErrLimit, maxDepth)
	}
	depth++
	switch v := v.(type) {
	case nil:
		p.op('N')
	case bool:
		if v {
			p.op(0x88)
		} else {
			p.op(0x89)
		}
	case int:
		p.int(int64(v))
	case int32:
		p.int(int64(v))
	case int64:
		p.int(v)
	case *big.Int:
		return p.big(v)
	case float32:
		return p.value(float64(v), depth)
	case float64:
		p.b = binary.BigEndian.AppendUint64(append(p.b, 'G'), math.Float64bits(v))
	case string:
		return p.string(v)
	case []byte:
		return p.bytes(v)
	case []any:
		return p.list(v, depth)
	case []string:
		return p.list(boxed(v), depth)
	case []int:
		return p.list(boxed(v), depth)
	case []int64:
		return p.list(boxed(v), depth)
	case []float64:
		return p.list(boxed(v), depth)
	case Tuple:
		return p.tuple(v, depth)
	case map[string]any:
		d := &Dict{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			d.Set(name, v[name])
		}
		return p.dict(d, depth)
	case *Dict:
		return p.dict(v, depth)
	case *Tensors:
		d := &Dict{Ordered: true}
		for name, t := range v.All() {
			d.Set(name, t)
		}
		return p.dict(d, depth)
	case Class:
		return p.class(v)
	case *Object:
		return p.object(v, depth)
	case *Tensor:
		return p.tensor(v)
	default:
		return fmt.Errorf("%w: saving a %T", ErrUnsupported, v)
	}
	return nil
}

func boxed[T any](v []T) []any {
	out := make([]any, len(v))
	for i, x := range v {
		out[i] = x
	}
	return out
}

func (p *pickler) int(n int64) {
	switch {
	case n >= 0 && n < 1<<8:
		p.op('K', byte(n))
	case n >= 0 && n < 1<<16:
		p.op('M', byte(n), byte(n>>8))
	case n == int64(int32(n)):
		p.op('J')
		p.uint32(uint32(n))
	default:
		p.op(0x8a, 8)
		p.b = binary.LittleEndian.AppendUint64(p.b, uint64(n))
	}
}

// big writes a two's-complement integer of any length.
func (p *pickler) big(n *big.Int) error {
	if n.IsInt64() {
		p.int(n.Int64())
		return nil
	}
	size := n.BitLen()/8 + 1
	m := n
	if n.Sign() < 0 {
		m = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	b := m.FillBytes(make([]byte, size))
	slices.Reverse(b)
	if size > 255 {
		return fmt.Errorf("%w: saving an integer of %d bytes", ErrUnsupported, size)
	}
	p.op(0x8a, byte(size))
	p.op(b...)
	return nil
}

func (p *pickler) string(s string) error {
	if len(s) > math.MaxInt32 {
		return fmt.Errorf("%w: saving a string of %d bytes", ErrUnsupported, len(s))
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	p.op('X')
	p.uint32(uint32(len(s)))
	p.b = append(p.b, s...)
	return nil
}

// bytes writes what Python 3 writes in protocol 2: _codecs.encode("…", "latin1").
func (p *pickler) bytes(b []byte) error {
	text := make([]rune, len(b))
	for i, c := range b {
		text[i] = rune(c)
	}
	p.global(Class{"_codecs", "encode"})
	if err := p.string(string(text)); err != nil {
		return err
	}
	err := p.string("latin1")
	p.op(0x86, 'R')
	return err
}

func (p *pickler) list(v []any, depth int) error {
	p.op(']')
	if len(v) == 0 {
		return nil
	}
	p.op('(')
	for _, x := range v {
		if err := p.value(x, depth); err != nil {
			return err
		}
	}
	p.op('e')
	return nil
}

func (p *pickler) tuple(v Tuple, depth int) error {
	if len(v) == 0 {
		p.op(')')
		return nil
	}
	if len(v) > 3 {
		p.op('(')
	}
	for _, x := range v {
		if err := p.value(x, depth); err != nil {
			return err
		}
	}
	if len(v) > 3 {
		p.op('t')
	} else {
		p.op(0x84 + byte(len(v)))
	}
	return nil
}

func (p *pickler) dict(d *Dict, depth int) error {
	if d.Ordered {
		p.global(classOrderedDict)
		p.op(')', 'R')
	} else {
		p.op('}')
	}
	if err := p.items(d, depth); err != nil || d.State == nil {
		return err
	}
	if err := p.value(d.State, depth); err != nil {
		return err
	}
	p.op('b')
	return nil
}

func (p *pickler) items(d *Dict, depth int) error {
	if d.Len() == 0 {
		return nil
	}
	p.op('(')
	for k, x := range d.All() {
		if err := p.value(k, depth); err != nil {
			return err
		}
		if err := p.value(x, depth); err != nil {
			return err
		}
	}
	p.op('u')
	return nil
}

func (p *pickler) class(c Class) error {
	if c.Module == "" || c.Name == "" || strings.ContainsAny(c.Module+c.Name, "\r\n") {
		return fmt.Errorf("%w: saving the class %q", ErrUnsupported, c)
	}
	p.global(c)
	return nil
}

// object writes a call of the class with its arguments. A class that was made by __new__ alone, as
// Namespace is, gives the same when called without arguments.
func (p *pickler) object(o *Object, depth int) error {
	if o.Kwargs != nil {
		return fmt.Errorf("%w: saving %s, made with named arguments", ErrUnsupported, o.Class)
	}
	if err := p.class(o.Class); err != nil {
		return err
	}
	args := o.Args
	set := o.Class.Module == "builtins" && (o.Class.Name == "set" || o.Class.Name == "frozenset")
	if set && len(args) == 0 {
		args = Tuple{o.List} // sets have no append
	}
	if err := p.tuple(args, depth); err != nil {
		return err
	}
	p.op('R')
	if o.List != nil && !set {
		p.op('(')
		for _, x := range o.List {
			if err := p.value(x, depth); err != nil {
				return err
			}
		}
		p.op('e')
	}
	if o.Items != nil {
		if err := p.items(o.Items, depth); err != nil {
			return err
		}
	}
	if o.State != nil {
		if err := p.value(o.State, depth); err != nil {
			return err
		}
		p.op('b')
	}
	return nil
}

// storageClass is the class that PyTorch's torch.load expects for an element type.
func storageClass(t elem.Type) (string, bool) {
	for name, typ := range storageTypes {
		if typ == t && name != "UntypedStorage" {
			return name, true
		}
	}
	return "", false
}

// tensor writes _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks). Everything is
// saved as living on the CPU, so that it loads anywhere.
func (p *pickler) tensor(t *Tensor) error {
	if err := t.check(); err != nil {
		return err
	}
	class, ok := storageClass(t.Type)
	if !ok || t.Storage.Type != t.Type {
		return fmt.Errorf("%w: saving a tensor of %s", ErrUnsupported, t.Type)
	}
	key, ok := p.keys[t.Storage]
	if !ok {
		key = len(p.storages)
		p.keys[t.Storage] = key
		p.storages = append(p.storages, t.Storage)
	}
	p.global(Class{"torch._utils", "_rebuild_tensor_v2"})
	p.op('(', '(')
	if err := p.string("storage"); err != nil {
		return err
	}
	p.global(Class{"torch", class})
	if err := p.string(strconv.Itoa(key)); err != nil {
		return err
	}
	if err := p.string("cpu"); err != nil {
		return err
	}
	p.int(int64(t.Storage.Len))
	p.op('t', 'Q')
	p.int(int64(t.Offset))
	for _, dims := range [][]int{t.Shape, t.Stride} {
		if err := p.tuple(boxed(dims), 0); err != nil {
			return err
		}
	}
	if err := p.value(t.RequiresGrad, 0); err != nil {
		return err
	}
	p.global(classOrderedDict)
	p.op(')', 'R', 't', 'R')
	return nil
}
