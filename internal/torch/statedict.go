package torch

import (
	"fmt"
	"iter"
)

// Tensors is a state dict: tensors by name, in the file's order.
type Tensors struct {
	names  []string
	byName map[string]*Tensor
}

// StateDict is the state dict at a path of v (none for v itself): a dict of names to tensors.
func StateDict(v any, path ...any) (*Tensors, error) {
	v, err := Lookup(v, path...)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, fmt.Errorf("%w: a state dict is wanted where there is a %T", ErrFormat, v)
	}
	t := &Tensors{byName: make(map[string]*Tensor, d.Len())}
	for k, x := range d.All() {
		name, ok1 := k.(string)
		tensor, ok2 := x.(*Tensor)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("%w: no state dict: item %v is a %T and no tensor", ErrFormat, k, x)
		}
		t.names = append(t.names, name)
		t.byName[name] = tensor
	}
	return t, nil
}

// Len is the number of tensors.
func (t *Tensors) Len() int { return len(t.names) }

// Names lists them in order. It is not to be changed.
func (t *Tensors) Names() []string { return t.names }

// Get finds a tensor; nil if there is none of that name.
func (t *Tensors) Get(name string) *Tensor { return t.byName[name] }

// All goes through the tensors in order.
func (t *Tensors) All() iter.Seq2[string, *Tensor] {
	return func(yield func(string, *Tensor) bool) {
		for _, name := range t.names {
			if !yield(name, t.byName[name]) {
				return
			}
		}
	}
}
