package torch

import (
	"fmt"
	"math/big"
)

// A Tuple is a Python tuple.
type Tuple []any

// A Class names a Python class or function. Python 2's __builtin__ and copy_reg have their later names.
type Class struct{ Module, Name string }

func (c Class) String() string { return c.Module + "." + c.Name }

// An Object is an instance of a class that this package does not know: what the file says of it, and
// nothing done with it.
type Object struct {
	Class  Class
	Args   Tuple // of the constructor
	Kwargs *Dict // of the constructor, mostly nil
	State  any   // the instance's attributes: a *Dict, or what its __setstate__ takes
	List   []any // elements, of subclasses of list and of sets
	Items  *Dict // items, of subclasses of dict
}

// Attr is an attribute of the instance.
func (o *Object) Attr(name string) (any, bool) {
	switch s := o.State.(type) {
	case *Dict:
		return s.Get(name)
	case Tuple: // (attributes, slots)
		for _, part := range s {
			if d, ok := part.(*Dict); ok {
				if v, ok := d.Get(name); ok {
					return v, true
				}
			}
		}
	}
	return nil, false
}

var (
	classNamespace   = Class{"argparse", "Namespace"}
	classOrderedDict = Class{"collections", "OrderedDict"}
	classDevice      = Class{"torch", "device"}
	classSize        = Class{"torch", "Size"}
)

// NewNamespace is an argparse.Namespace with the given attributes.
func NewNamespace(attrs *Dict) *Object {
	return &Object{Class: classNamespace, Args: Tuple{}, State: attrs}
}

// Namespace is the attributes of an argparse.Namespace; a *Dict is its own.
func Namespace(v any) (*Dict, bool) {
	switch v := v.(type) {
	case *Dict:
		return v, true
	case *Object:
		if v.Class == classNamespace {
			d, ok := v.State.(*Dict)
			if v.State == nil {
				return &Dict{}, true
			}
			return d, ok
		}
	}
	return nil, false
}

// Lookup follows a path of dict keys, attribute names and list positions (ints).
func Lookup(v any, path ...any) (any, error) {
	for i, key := range path {
		next, ok := step(v, key)
		if !ok {
			return nil, fmt.Errorf("%w: %v in %v", ErrNotFound, key, path[:i+1])
		}
		v = next
	}
	return v, nil
}

func step(v, key any) (any, bool) {
	switch v := v.(type) {
	case *Dict:
		return v.Get(key)
	case *Object:
		if v.Items != nil {
			if x, ok := v.Items.Get(key); ok {
				return x, true
			}
		}
		if name, ok := key.(string); ok {
			return v.Attr(name)
		}
	case []any:
		return at(v, key)
	case Tuple:
		return at(v, key)
	}
	return nil, false
}

func at(list []any, key any) (any, bool) {
	i, ok := key.(int)
	if !ok || i < 0 || i >= len(list) {
		return nil, false
	}
	return list[i], true
}

// ToPlain turns a value into what encoding/json and YAML libraries take: maps with string keys, []any
// and scalars. A Namespace is the map of its attributes, a torch.device its name ("cuda:0"), a
// torch.Size a list, a class its name; other objects are maps with a "__class__". Tensors, []byte and
// *big.Int stay as they are.
func ToPlain(v any) any {
	switch v := v.(type) {
	case []any:
		return plainList(v)
	case Tuple:
		return plainList(v)
	case *Dict:
		return plainDict(v)
	case Class:
		return v.String()
	case *Object:
		return plainObject(v)
	}
	return v
}

func plainList(v []any) []any {
	out := make([]any, len(v))
	for i, x := range v {
		out[i] = ToPlain(x)
	}
	return out
}

func plainDict(d *Dict) map[string]any {
	out := make(map[string]any, d.Len())
	for k, x := range d.All() {
		name, ok := k.(string)
		if !ok {
			name = fmt.Sprint(ToPlain(k))
		}
		out[name] = ToPlain(x)
	}
	return out
}

func plainObject(o *Object) any {
	switch o.Class {
	case classNamespace:
		if d, ok := Namespace(o); ok {
			return plainDict(d)
		}
	case classDevice:
		name := ""
		for i, a := range o.Args {
			if i > 0 {
				name += ":"
			}
			name += fmt.Sprint(a)
		}
		return name
	case classSize:
		if len(o.Args) == 1 {
			return ToPlain(o.Args[0])
		}
		return []any{}
	}
	out := map[string]any{"__class__": o.Class.String()}
	if len(o.Args) > 0 {
		out["args"] = plainList(o.Args)
	}
	if o.Kwargs != nil {
		out["kwargs"] = plainDict(o.Kwargs)
	}
	if o.State != nil {
		out["state"] = ToPlain(o.State)
	}
	if o.List != nil {
		out["list"] = plainList(o.List)
	}
	if o.Items != nil {
		out["items"] = plainDict(o.Items)
	}
	return out
}

// Number is a value as float64: an int, float or bool, or a tensor of one element (as Adam keeps its
// step).
func Number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	case *Tensor:
		if v.Len() == 1 {
			f, err := v.Float64()
			if err == nil {
				return f[0], true
			}
		}
	}
	return 0, false
}

// Ints is a tuple, list or torch.Size of integers.
func Ints(v any) ([]int, bool) {
	switch x := v.(type) {
	case Tuple:
		return ints(x)
	case []any:
		return ints(x)
	case *list:
		return ints(x.items)
	case *Object:
		if x.Class == classSize && len(x.Args) == 1 {
			if _, nested := x.Args[0].(*Object); !nested {
				return Ints(x.Args[0])
			}
		}
	}
	return nil, false
}

func ints(v []any) ([]int, bool) {
	out := make([]int, len(v))
	for i, x := range v {
		n, ok := x.(int64)
		if !ok || int64(int(n)) != n {
			return nil, false
		}
		out[i] = int(n)
	}
	return out, true
}
