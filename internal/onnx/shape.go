package onnx

import (
	"fmt"
	"strconv"
	"strings"
)

// A Dim is one dimension of a shape: a fixed size, or a symbol that stands for the same unknown size
// wherever it occurs in a graph. Products of symbols are written "B*T".
type Dim struct {
	Size int64
	Name string // "" for a fixed size
}

// unknownDim stands for a dimension of which a foreign model says nothing. Unlike a symbol it need not be
// the same size in two places.
const unknownDim = "?"

// D is a fixed dimension.
func D(n int) Dim { return Dim{Size: int64(n)} }

// Sym is a symbolic dimension.
func Sym(name string) Dim { return Dim{Name: name} }

// Fixed tells whether the size is known.
func (d Dim) Fixed() bool { return d.Name == "" }

// String is the size or the symbol.
func (d Dim) String() string {
	if d.Fixed() {
		return fmt.Sprint(d.Size)
	}
	return d.Name
}

// Mul is the product of two dimensions; symbols come in alphabetical order, so equal products are equal.
func (d Dim) Mul(e Dim) Dim {
	switch {
	case d.Fixed() && e.Fixed():
		return Dim{Size: d.Size * e.Size}
	case d.Fixed() && d.Size == 1:
		return e
	case e.Fixed() && e.Size == 1:
		return d
	}
	fixed, syms := int64(1), []string{}
	for _, x := range []Dim{d, e} {
		if x.Fixed() {
			fixed *= x.Size
			continue
		}
		f, s := x.factors()
		fixed *= f
		syms = append(syms, s...)
	}
	return product(fixed, syms)
}

// factors splits "4*B*T" into 4 and [B T]. What stands in brackets, the sum that a Concat made, is one
// factor.
func (d Dim) factors() (fixed int64, syms []string) {
	if d.Fixed() {
		return d.Size, nil
	}
	fixed = 1
	depth, from := 0, 0
	for i := 0; i <= len(d.Name); i++ {
		if i < len(d.Name) && (d.Name[i] != '*' || depth > 0) {
			switch d.Name[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
			continue
		}
		if n, err := strconv.ParseInt(d.Name[from:i], 10, 64); err == nil {
			fixed *= n
		} else {
			syms = append(syms, d.Name[from:i])
		}
		from = i + 1
	}
	return fixed, syms
}

// Eval is the dimension's size, given those of the symbols.
func (d Dim) Eval(sizes map[string]int) (int, error) {
	if n, ok := sizes[d.Name]; ok && !d.Fixed() {
		return n, nil
	}
	fixed, syms := d.factors()
	size := int(fixed)
	for _, s := range syms {
		n, ok := sizes[s]
		if terms := addends(s); !ok && len(terms) > 1 {
			for _, t := range terms {
				m, err := parseDim(t).Eval(sizes)
				if err != nil {
					return 0, err
				}
				n += m
			}
			ok = true
		}
		if !ok {
			return 0, fmt.Errorf("%w: the size of dimension %s is not known", ErrGraph, s)
		}
		size *= n
	}
	return size, nil
}

// addends splits the sum "(4+B*T)" that a Concat made.
func addends(s string) []string {
	if !strings.HasPrefix(s, "(") || !strings.HasSuffix(s, ")") {
		return nil
	}
	s = s[1 : len(s)-1]
	var terms []string
	depth, from := 0, 0
	for i, c := range s {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '+' && depth == 0:
			terms = append(terms, s[from:i])
			from = i + 1
		}
	}
	return append(terms, s[from:])
}

func parseDim(s string) Dim {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Dim{Size: n}
	}
	return Sym(s)
}

func product(fixed int64, syms []string) Dim {
	sorted := append([]string(nil), syms...)
	for i := 1; i < len(sorted); i++ { // few symbols: insertion sort
		for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	if len(sorted) == 0 {
		return Dim{Size: fixed}
	}
	name := strings.Join(sorted, "*")
	if fixed != 1 {
		name = fmt.Sprintf("%d*%s", fixed, name)
	}
	return Dim{Name: name}
}

// A Shape is the dimensions of a tensor, outermost first. A scalar's is empty.
type Shape []Dim

// Of is a shape of fixed sizes (int), symbols (string) and Dims.
func Of(dims ...any) Shape {
	s := make(Shape, len(dims))
	for i, d := range dims {
		switch d := d.(type) {
		case int:
			s[i] = D(d)
		case int64:
			s[i] = Dim{Size: d}
		case string:
			s[i] = Sym(d)
		case Dim:
			s[i] = d
		}
	}
	return s
}

// Equal compares dimension by dimension.
func (s Shape) Equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if s[i] != t[i] {
			return false
		}
	}
	return true
}

// Elements is the product of all dimensions.
func (s Shape) Elements() Dim {
	n := D(1)
	for _, d := range s {
		n = n.Mul(d)
	}
	return n
}

// String is like [B T 768].
func (s Shape) String() string { return fmt.Sprint([]Dim(s)) }

// Broadcast is the shape of an elementwise op on a and b by ONNX's (NumPy's) rule.
func Broadcast(a, b Shape) (Shape, bool) {
	n := max(len(a), len(b))
	out := make(Shape, n)
	for i := range out {
		da, db := a.at(i-n+len(a)), b.at(i-n+len(b))
		switch {
		case da == db, db == D(1):
			out[i] = da
		case da == D(1):
			out[i] = db
		default:
			return nil, false
		}
	}
	return out, true
}

func (s Shape) at(i int) Dim {
	if i < 0 {
		return D(1)
	}
	return s[i]
}

// axis turns a negative axis into a positive one; false if out of range.
func (s Shape) axis(a int) (int, bool) {
	if a < 0 {
		a += len(s)
	}
	return a, a >= 0 && a < len(s)
}
