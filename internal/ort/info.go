package ort

import (
	"fmt"
	"strconv"
	"strings"
)

// Info describes an input or output of a model.
type Info struct {
	Name string
	Type Type
	// Shape has −1 for dimensions known only at run time. Nil: the model does not even say how many
	// dimensions there are; empty: a scalar.
	Shape []int64
	// Dims are the names of the dimensions, "" for those without one.
	Dims []string
}

// String writes the input as "name float32[batch,3,224,224]".
func (i Info) String() string {
	if i.Shape == nil {
		return fmt.Sprintf("%s %s[…]", i.Name, i.Type)
	}
	dims := make([]string, len(i.Shape))
	for k, d := range i.Shape {
		switch {
		case d >= 0:
			dims[k] = strconv.FormatInt(d, 10)
		case i.Dims[k] != "":
			dims[k] = i.Dims[k]
		default:
			dims[k] = "?"
		}
	}
	return fmt.Sprintf("%s %s[%s]", i.Name, i.Type, strings.Join(dims, ","))
}

// fits says whether t can be this input or output, by type and declared shape.
func (i Info) fits(t *Tensor) error {
	switch {
	case t == nil:
		return fmt.Errorf("%w: %s is nil", ErrInput, i)
	case t.typ != i.Type:
		return fmt.Errorf("%w: %s given as %s%v", ErrInput, i, t.typ, t.shape)
	}
	if err := t.check(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrInput, i, err)
	}
	if i.Shape == nil {
		return nil
	}
	if len(i.Shape) != len(t.shape) {
		return fmt.Errorf("%w: %s given with shape %v", ErrInput, i, t.shape)
	}
	for k, d := range i.Shape {
		if d >= 0 && d != t.shape[k] {
			return fmt.Errorf("%w: %s given with shape %v: dimension %d must be %d", ErrInput, i, t.shape, k, d)
		}
	}
	return nil
}
