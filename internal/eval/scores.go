package eval

import (
	"context"
	"fmt"
	"math"

	"github.com/viterin/vek/vek32"
)

// Scores is an images × captions matrix of which rows can be had, safe for concurrent use.
type Scores interface {
	Dims() (images, captions int)
	// Rows fills dst, row-major, with the scores of the given images and all captions.
	Rows(images []int, dst []float32) error
}

// A Matrix is a Scores held in memory.
type Matrix struct {
	Images, Captions int
	Data             []float32 // row-major
}

// NewMatrix checks that data is images×captions long.
func NewMatrix(images, captions int, data []float32) (*Matrix, error) {
	if images < 0 || captions < 0 || len(data) != images*captions {
		return nil, fmt.Errorf("%w: %d scores for %d images × %d captions", ErrInput, len(data), images, captions)
	}
	return &Matrix{images, captions, data}, nil
}

// Dims implements Scores.
func (m *Matrix) Dims() (images, captions int) { return m.Images, m.Captions }

// Row is the scores of image i; it aliases Data.
func (m *Matrix) Row(i int) []float32 { return m.Data[i*m.Captions : (i+1)*m.Captions] }

// Rows implements Scores.
func (m *Matrix) Rows(images []int, dst []float32) error {
	for k, i := range images {
		copy(dst[k*m.Captions:(k+1)*m.Captions], m.Row(i))
	}
	return nil
}

// Vectors are rows of Dim values each.
type Vectors struct {
	Dim  int
	Data []float32 // row-major
}

// NewVectors checks shape and values: n rows of dim finite numbers, none all zero. what and id name a
// row in errors; id may be nil.
func NewVectors(what string, n, dim int, data []float32, id func(int) string) (Vectors, error) {
	name := func(k int) string {
		if id == nil {
			return fmt.Sprint(k)
		}
		return fmt.Sprintf("%d (%s)", k, id(k))
	}
	if dim <= 0 || n < 0 || len(data) != n*dim {
		return Vectors{}, fmt.Errorf("%w: %s: %d values for %d vectors of %d", ErrInput, what, len(data), n, dim)
	}
	for k := range n {
		zero := true
		for j, v := range data[k*dim : (k+1)*dim] {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return Vectors{}, fmt.Errorf("%w: %s: value %d of vector %s is %v", ErrInput, what, j, name(k), v)
			}
			zero = zero && v == 0
		}
		if zero {
			return Vectors{}, fmt.Errorf("%w: %s: vector %s is all zero", ErrInput, what, name(k))
		}
	}
	return Vectors{dim, data}, nil
}

// Len is the number of rows.
func (v Vectors) Len() int { return len(v.Data) / max(1, v.Dim) }

// Row is vector k; it aliases Data.
func (v Vectors) Row(k int) []float32 { return v.Data[k*v.Dim : (k+1)*v.Dim] }

// Normalised is v with every row scaled to length 1, summed in float64. Rows that have it within a
// millionth stay as they are, bit by bit.
func (v Vectors) Normalised() Vectors {
	out := Vectors{v.Dim, make([]float32, len(v.Data))}
	for k := range v.Len() {
		var sum float64
		for _, x := range v.Row(k) {
			sum += float64(x) * float64(x)
		}
		norm := math.Sqrt(sum)
		if norm == 0 || math.Abs(norm-1) < 1e-6 {
			norm = 1
		}
		row := out.Row(k)
		for j, x := range v.Row(k) {
			row[j] = float32(float64(x) / norm)
		}
	}
	return out
}

// Dot is the Scores of inner products, computed as they are asked for. Of normalised vectors these
// are cosines.
type Dot struct{ images, captions Vectors }

// NewDot checks that both sides have one dimension.
func NewDot(images, captions Vectors) (*Dot, error) {
	if images.Dim != captions.Dim {
		return nil, fmt.Errorf("%w: image vectors have %d dimensions, caption vectors %d", ErrInput, images.Dim, captions.Dim)
	}
	return &Dot{images, captions}, nil
}

// Dims implements Scores.
func (d *Dot) Dims() (images, captions int) { return d.images.Len(), d.captions.Len() }

// Rows implements Scores.
func (d *Dot) Rows(images []int, dst []float32) error {
	m := d.captions.Len()
	for c := range m { // a caption's vector is fetched from memory once for the whole block
		v := d.captions.Row(c)
		for k, i := range images {
			dst[k*m+c] = vek32.Dot(d.images.Row(i), v)
		}
	}
	return nil
}

// Pairs implements PairScorer.
func (d *Dot) Pairs(image int, captions []int32, dst []float32) error {
	for k, c := range captions {
		dst[k] = vek32.Dot(d.images.Row(image), d.captions.Row(int(c)))
	}
	return nil
}

// Select is the Scores of some images and captions, renumbered in the order given.
func Select(s Scores, images, captions []int) Scores {
	n, m := s.Dims()
	if identity(images, n) && identity(captions, m) {
		return s
	}
	return &selection{s, images, captions}
}

func identity(list []int, n int) bool {
	if len(list) != n {
		return false
	}
	for k, v := range list {
		if k != v {
			return false
		}
	}
	return true
}

type selection struct {
	of               Scores
	images, captions []int
}

func (s *selection) Dims() (images, captions int) { return len(s.images), len(s.captions) }

func (s *selection) Rows(images []int, dst []float32) error {
	_, width := s.of.Dims()
	whole := make([]float32, width)
	image := make([]int, 1)
	for k, i := range images {
		image[0] = s.images[i]
		if err := s.of.Rows(image, whole); err != nil {
			return err
		}
		row := dst[k*len(s.captions) : (k+1)*len(s.captions)]
		for j, c := range s.captions {
			row[j] = whole[c]
		}
	}
	return nil
}

// Hold computes all scores and keeps them in memory.
func Hold(ctx context.Context, s Scores, o *Options) (*Matrix, error) {
	n, m := s.Dims()
	out := &Matrix{n, m, make([]float32, n*m)}
	return out, blocks(ctx, s, o, func() func(int, []float32) error {
		return func(i int, row []float32) error {
			copy(out.Row(i), row)
			return nil
		}
	})
}
