package train

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

// Params are a network's parameters by their published names, in the order in which they were added.
// Not safe for concurrent mutation.
type Params struct {
	list   []*Tensor
	byName map[string]*Tensor
}

// NewParams is an empty set.
func NewParams() *Params { return &Params{byName: map[string]*Tensor{}} }

// All lists the parameters.
func (p *Params) All() []*Tensor { return p.list }

// Lookup finds a parameter, or nil.
func (p *Params) Lookup(name string) *Tensor { return p.byName[name] }

// Set adds a parameter or replaces its values.
func (p *Params) Set(name string, shape []int, data []float32) {
	if t := p.byName[name]; t != nil {
		t.Shape, t.Data = shape, data
		return
	}
	t := &Tensor{Name: name, Shape: slices.Clone(shape), Data: data}
	p.byName[name] = t
	p.list = append(p.list, t)
}

// shared is another set of the same values, to which others can be added.
func (p *Params) shared() *Params {
	out := NewParams()
	for _, t := range p.list {
		out.Set(t.Name, t.Shape, t.Data)
	}
	return out
}

// Clone copies the values.
func (p *Params) Clone() *Params {
	c := NewParams()
	for _, t := range p.list {
		c.Set(t.Name, t.Shape, slices.Clone(t.Data))
	}
	return c
}

// Values implements nn.Weights.
func (p *Params) Values(want nn.Param) ([]float32, error) {
	t := p.byName[want.Name]
	if t == nil {
		return nil, fmt.Errorf("%w: %s %v is missing", ErrParam, want.Name, want.Shape)
	}
	if !slices.Equal(t.Shape, want.Shape) {
		return nil, fmt.Errorf("%w: %s has shape %v, the network wants %v", ErrParam, want.Name, t.Shape, want.Shape)
	}
	return t.Data, nil
}

// ensure adds a parameter with its start if it is not there.
func (p *Params) ensure(want nn.Param, seed uint64) error {
	if p.byName[want.Name] != nil {
		_, err := p.Values(want)
		return err
	}
	p.Set(want.Name, want.Shape, want.Start(seed))
	return nil
}
