package torch

import (
	"fmt"
	"slices"
)

const (
	maxDepth = 1000 // lists in lists in dicts…
	// A walk that follows every reference may meet maxWalkBase values, and maxWalkFactor more for each
	// value in the file: sharing is fine, doubling a list forty times over is not.
	maxWalkBase   = 1 << 20
	maxWalkFactor = 16
)

// A freezer turns the raw values of an unpickler into the tree of File.Value: *list becomes []any, NumPy's
// values become plain, cycles and bombs become errors.
type freezer struct {
	done map[any]frozen // by the identity of the container
}

type frozen struct {
	value  any
	height int     // containers below and including this one
	nodes  float64 // values met on a walk
	active bool    // its contents are being visited
}

// freeze is the whole job. size is the number of bytes that the pickle had.
func freeze(v any, size int) (any, error) {
	z := freezer{done: make(map[any]frozen)}
	f, err := z.value(v, 0)
	if err != nil {
		return nil, err
	}
	if limit := maxWalkBase + maxWalkFactor*float64(size); f.nodes > limit {
		return nil, fmt.Errorf("%w: shared lists and dicts unfold to %.3g values", ErrLimit, f.nodes)
	}
	return f.value, nil
}

func (z *freezer) value(v any, depth int) (frozen, error) {
	var id any
	switch v := v.(type) {
	case *list, *Dict, *Object:
		id = v
	case Tuple:
		if len(v) == 0 {
			return frozen{value: v, nodes: 1}, nil
		}
		id = &v[0]
	case *Storage:
		return frozen{}, fmt.Errorf("%w: a storage outside a tensor", ErrUnsupported)
	default:
		return frozen{value: v, nodes: 1}, nil
	}
	f, seen := z.done[id]
	switch {
	case f.active:
		return f, fmt.Errorf("%w: a %s contains itself", ErrUnsupported, kind(v))
	case depth+max(f.height, 1) > maxDepth:
		return f, fmt.Errorf("%w: nested over %d deep", ErrLimit, maxDepth)
	case seen:
		return f, nil
	}
	z.done[id] = frozen{active: true}
	w := walk{z: z, depth: depth + 1, f: frozen{nodes: 1}}
	switch v := v.(type) {
	case *list:
		w.all(v.items)
		if v.items == nil {
			v.items = []any{}
		}
		w.f.value = v.items
	case Tuple:
		w.all(v)
		w.f.value = v
	case *Dict:
		changes := slices.ContainsFunc(v.keys, func(k any) bool {
			switch k.(type) {
			case *Object, Tuple:
				return true
			}
			return false
		})
		w.all(v.keys)
		w.all(v.values)
		v.State = w.one(v.State)
		w.f.value = v
		if changes && w.err == nil {
			w.err = v.rehash()
		}
	case *Object:
		// Args may be met elsewhere, too, as the tuple it is: go by its identity.
		w.one(v.Args)
		w.all(v.List)
		v.State = w.one(v.State)
		for _, d := range []*Dict{v.Kwargs, v.Items} {
			if d != nil {
				w.one(d)
			}
		}
		w.f.value = v
		if w.err == nil {
			w.f.value = fromNumpy(v)
		}
	}
	w.f.height++
	z.done[id] = w.f
	return w.f, w.err
}

// A walk sums up the contents of one container.
type walk struct {
	z     *freezer
	depth int
	f     frozen
	err   error
}

func (w *walk) one(v any) any {
	if w.err != nil {
		return v
	}
	f, err := w.z.value(v, w.depth)
	if err != nil {
		w.err = err
		return v
	}
	w.f.height = max(w.f.height, f.height)
	w.f.nodes += f.nodes
	return f.value
}

// all freezes a container's elements in place.
func (w *walk) all(items []any) {
	for i, v := range items {
		items[i] = w.one(v)
	}
}

func kind(v any) string {
	switch v := v.(type) {
	case *list:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *Object:
		return v.Class.String()
	}
	return fmt.Sprintf("%T", v)
}
