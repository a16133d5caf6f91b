package param

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/nn"
)

// ErrParam is returned when a parameter is missing or of another shape than the network's.
var ErrParam = errors.New("train: parameter does not fit")

// A Tensor is one parameter's values, row-major.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Set are a network's parameters by their published names, in the order in which they were added.
// Not safe for concurrent mutation.
type Set struct {
	list   []*Tensor
	byName map[string]*Tensor
}

// NewSet is an empty set.
func NewSet() *Set { return &Set{byName: map[string]*Tensor{}} }

// All lists the parameters.
func (p *Set) All() []*Tensor { return p.list }

// Lookup finds a parameter, or nil.
func (p *Set) Lookup(name string) *Tensor { return p.byName[name] }

// Set adds a parameter or replaces its values.
func (p *Set) Set(name string, shape []int, data []float32) {
	if t := p.byName[name]; t != nil {
		t.Shape, t.Data = shape, data
		return
	}
	t := &Tensor{Name: name, Shape: slices.Clone(shape), Data: data}
	p.byName[name] = t
	p.list = append(p.list, t)
}

// Shared is another set of the same values, to which others can be added.
func (p *Set) Shared() *Set {
	out := NewSet()
	for _, t := range p.list {
		out.Set(t.Name, t.Shape, t.Data)
	}
	return out
}

// Clone copies the values.
func (p *Set) Clone() *Set {
	c := NewSet()
	for _, t := range p.list {
		c.Set(t.Name, t.Shape, slices.Clone(t.Data))
	}
	return c
}

// Values implements nn.Weights.
func (p *Set) Values(want nn.Param) ([]float32, error) {
	t := p.byName[want.Name]
	if t == nil {
		return nil, fmt.Errorf("%w: %s %v is missing", ErrParam, want.Name, want.Shape)
	}
	if !slices.Equal(t.Shape, want.Shape) {
		return nil, fmt.Errorf("%w: %s has shape %v, the network wants %v", ErrParam, want.Name, t.Shape, want.Shape)
	}
	return t.Data, nil
}

// Ensure adds a parameter with its start if it is not there.
func (p *Set) Ensure(want nn.Param, seed uint64) error {
	if p.byName[want.Name] != nil {
		_, err := p.Values(want)
		return err
	}
	p.Set(want.Name, want.Shape, want.Start(seed))
	return nil
}
