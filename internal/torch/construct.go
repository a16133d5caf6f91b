package torch

import (
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/elem"
)

// maxClass bounds the name of a class: it may be a key, looked up again and again.
const maxClass = 1024

// global makes a Class, with Python 2's module names brought up to date.
func (u *unpickler) global(module, name string) (any, error) {
	if n := len(module) + len(name); n > maxClass {
		return nil, fmt.Errorf("%w: a class name of %d bytes", ErrLimit, n)
	}
	switch module {
	case "__builtin__":
		module = "builtins"
		if name == "xrange" {
			name = "range"
		}
	case "copy_reg":
		module = "copyreg"
	}
	return Class{module, name}, nil
}

// call stands for calling what a pickle wants called. Only what makes plain data is done; the rest is
// noted in an Object.
func (u *unpickler) call(callable any, args Tuple, kwargs *Dict) (any, error) {
	if err := u.charge(160 + 16*int64(len(args))); err != nil {
		return nil, err
	}
	c, ok := callable.(Class)
	if !ok {
		// The result of another call: keep it as the first argument of an unnamed one.
		return &Object{Args: append(Tuple{callable}, args...), Kwargs: kwargs}, nil
	}
	if kwargs == nil {
		v, err := u.known(c, args)
		if v != nil || err != nil {
			return v, err
		}
	}
	return &Object{Class: c, Args: args, Kwargs: kwargs}, nil
}

// known makes what the classes and functions with a meaning here make; nil for all others.
func (u *unpickler) known(c Class, args Tuple) (any, error) {
	switch c.Module {
	case "collections":
		if c == classOrderedDict {
			return u.orderedDict(args)
		}
	case "builtins":
		return u.builtin(c.Name, args)
	case "_codecs":
		// How protocol 2 writes bytes: encode("text", "latin1").
		if c.Name == "encode" && len(args) == 2 && args[1] == any("latin1") {
			if s, ok := args[0].(string); ok {
				if err := u.charge(int64(len(s))); err != nil {
					return nil, err
				}
				return latin1(s)
			}
		}
	case "copyreg":
		// _reconstructor(class, base, state): how protocols 0 and 1 make an instance.
		if c.Name == "_reconstructor" && len(args) == 3 {
			if of, ok := args[0].(Class); ok {
				o := &Object{Class: of, Args: Tuple{}}
				o.Items, _ = args[2].(*Dict)
				return o, nil
			}
		}
	case "torch._utils", "torch._tensor":
		return u.torchCall(c.Name, args)
	}
	return nil, nil
}

func (u *unpickler) orderedDict(args Tuple) (any, error) {
	d := &Dict{Ordered: true}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*list) // Python 2: OrderedDict([[key, value], …])
	if !ok || len(args) > 1 {
		return nil, fmt.Errorf("%w: an OrderedDict of %T", ErrFormat, args[0])
	}
	for _, p := range pairs.items {
		var kv []any
		switch p := p.(type) {
		case *list:
			kv = p.items
		case Tuple:
			kv = p
		}
		if len(kv) != 2 {
			return nil, fmt.Errorf("%w: an OrderedDict's item is no pair", ErrFormat)
		}
		if err := u.fill(d, kv); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// builtin makes sets and byte arrays, which protocols write in different ways, alike.
func (u *unpickler) builtin(name string, args Tuple) (any, error) {
	if len(args) != 1 {
		return nil, nil
	}
	switch name {
	case "set", "frozenset":
		if items, ok := args[0].(*list); ok {
			err := u.charge(16 * int64(len(items.items)))
			return &Object{Class: Class{"builtins", name}, List: slices.Clone(items.items)}, err
		}
	case "bytearray":
		if b, ok := args[0].([]byte); ok {
			return b, nil
		}
	}
	return nil, nil
}

func latin1(s string) (any, error) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return nil, fmt.Errorf("%w: bytes with the character %U", ErrFormat, r)
		}
		b = append(b, byte(r))
	}
	return b, nil
}

// torchCall makes tensors.
func (u *unpickler) torchCall(name string, args Tuple) (any, error) {
	switch name {
	case "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3":
		return rebuildTensor(name, args)
	case "_rebuild_parameter", "_rebuild_parameter_with_state":
		if len(args) >= 2 {
			if t, ok := args[0].(*Tensor); ok {
				p := *t
				p.RequiresGrad, _ = args[1].(bool)
				return &p, nil
			}
		}
	case "_rebuild_from_type_v2": // (function, type, arguments, state): a subclass of Tensor
		if len(args) == 4 {
			f, ok1 := args[0].(Class)
			inner, ok2 := args[2].(Tuple)
			if ok1 && ok2 && f.Name != name && f.Module == "torch._utils" {
				return u.torchCall(f.Name, inner)
			}
		}
	}
	return nil, nil
}

// rebuildTensor takes (storage, offset, size, stride, requires_grad, …); version 3 names the element
// type as the seventh argument.
func rebuildTensor(name string, args Tuple) (any, error) {
	bad := fmt.Errorf("%w: arguments of %s", ErrFormat, name)
	if len(args) < 4 {
		return nil, bad
	}
	s, ok := args[0].(*Storage)
	if !ok {
		return nil, bad
	}
	offset, ok1 := args[1].(int64)
	shape, ok2 := Ints(args[2])
	stride, ok3 := Ints(args[3])
	if !ok1 || !ok2 || !ok3 || int64(int(offset)) != offset {
		return nil, bad
	}
	t := &Tensor{Type: s.Type, Shape: shape, Stride: stride, Offset: int(offset), Storage: s}
	if len(args) > 4 {
		t.RequiresGrad, _ = args[4].(bool)
	}
	if name == "_rebuild_tensor_v3" {
		if len(args) < 7 {
			return nil, bad
		}
		c, _ := args[6].(Class)
		if t.Type, ok = elem.Parse(c.Name); !ok || c.Module != "torch" {
			return nil, fmt.Errorf("%w: element type %v", ErrUnsupported, args[6])
		}
	}
	return t, t.check()
}

// build stands for __setstate__.
func build(to, state any) error {
	switch to := to.(type) {
	case *Object:
		to.State = state
	case *Dict:
		to.State = state
	case *Tensor: // attributes of a subclass
	default:
		return fmt.Errorf("%w: state for a %T", ErrFormat, to)
	}
	return nil
}

// storageTypes are the storage classes of torch and torch.cuda. UntypedStorage counts bytes.
var storageTypes = map[string]elem.Type{
	"BoolStorage": elem.Bool, "ByteStorage": elem.Uint8, "CharStorage": elem.Int8, "ShortStorage": elem.Int16,
	"IntStorage": elem.Int32, "LongStorage": elem.Int64, "HalfStorage": elem.Float16,
	"BFloat16Storage": elem.BFloat16, "FloatStorage": elem.Float32, "DoubleStorage": elem.Float64,
	"ComplexFloatStorage": elem.Complex64, "ComplexDoubleStorage": elem.Complex128,
	"UntypedStorage": elem.Uint8,
}

// storageID is what a persistent id says: ("storage", class, key, location, elements[, view]).
type storageID struct {
	typ           elem.Type
	key, location string
	len           int
	view          any
}

func parseStorageID(id any) (storageID, error) {
	bad := func(why string) (storageID, error) {
		return storageID{}, fmt.Errorf("%w: storage id: %s", ErrFormat, why)
	}
	t, ok := id.(Tuple)
	if !ok || len(t) < 5 || t[0] != any("storage") {
		return bad("not a storage")
	}
	c, _ := t[1].(Class)
	s := storageID{}
	if s.typ, ok = storageTypes[c.Name]; !ok || c.Module != "torch" && c.Module != "torch.cuda" && c.Module != "torch.storage" {
		return s, fmt.Errorf("%w: storage class %s", ErrUnsupported, c)
	}
	if s.key, ok = t[2].(string); !ok {
		return bad("key")
	}
	if s.location, ok = t[3].(string); !ok {
		return bad("location")
	}
	n, ok := t[4].(int64)
	if !ok || n < 0 || n > 1<<56 || int64(int(n)) != n {
		return bad("size")
	}
	s.len = int(n)
	if len(t) > 5 {
		s.view = t[5]
	}
	return s, nil
}
