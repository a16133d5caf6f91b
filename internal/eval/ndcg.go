package eval

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Table is a Relevance computed elsewhere, held in memory.
type Table struct {
	images, captions int
	data             []float32 // captions × images
}

// NewTable checks a captions × images matrix: its shape, and that every value is finite and not
// negative.
func NewTable(images, captions int, shape []int, data []float32) (*Table, error) {
	if len(shape) != 2 || shape[0] != captions || shape[1] != images {
		return nil, fmt.Errorf("%w: relevance has shape %v, want [%d %d] (captions × images)", ErrInput, shape, captions, images)
	}
	if len(data) != images*captions {
		return nil, fmt.Errorf("%w: relevance has %d values for %d captions × %d images", ErrInput, len(data), captions, images)
	}
	for k, v := range data {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
			return nil, fmt.Errorf("%w: relevance of caption %d and image %d is %v; a number from 0 up is needed", ErrInput, k/images, k%images, v)
		}
	}
	return &Table{images, captions, data}, nil
}

// Dims implements Relevance.
func (t *Table) Dims() (images, captions int) { return t.images, t.captions }

// Caption implements Relevance.
func (t *Table) Caption(c int, dst []float64) {
	for i, v := range t.data[c*t.images : (c+1)*t.images] {
		dst[i] = float64(v)
	}
}

// Image implements Relevance.
func (t *Table) Image(i int, dst []float64) {
	for c := range dst {
		dst[c] = float64(t.data[c*t.images+i])
	}
}

// NDCG is nDCG@p of every query. Answers are ranked by the lists, which must hold the first p of each
// query in g; relevance is over all data, and the ideal ranking is that of the gallery g.
func NDCG(ctx context.Context, lists *Lists, g Gallery, rel Relevance, p int, o *Options) (*Mean, error) {
	n, m := rel.Dims()
	if len(lists.I2T) != len(g.Images) || len(lists.T2I) != len(g.Captions) {
		return nil, fmt.Errorf("%w: lists of %d and %d queries for a gallery of %d and %d", ErrInput, len(lists.I2T), len(lists.T2I), len(g.Images), len(g.Captions))
	}
	out := NewMean(len(g.Images), len(g.Captions))
	total := len(g.Images) + len(g.Captions)
	err := parallel(ctx, o, total, 16, func() func(int, int) error {
		ofCaption, ofImage := make([]float64, n), make([]float64, m)
		var gallery []float64
		return func(from, to int) error {
			for q := from; q < to; q++ {
				list, all, among, dst := []Hit(nil), ofImage, g.Captions, (*float64)(nil)
				if q < len(g.Images) {
					rel.Image(g.Images[q], ofImage)
					list, dst = lists.I2T[q], &out.I2T[q]
				} else {
					c := q - len(g.Images)
					rel.Caption(g.Captions[c], ofCaption)
					list, all, among, dst = lists.T2I[c], ofCaption, g.Images, &out.T2I[c]
				}
				gallery = gallery[:0]
				for _, x := range among {
					gallery = append(gallery, all[x])
				}
				*dst = ndcg(list, gallery, p)
			}
			return nil
		}
	})
	return out, err
}

// ndcg is that of one query; NaN when nothing is relevant. It reorders gain.
func ndcg(list []Hit, gain []float64, p int) float64 {
	got := 0.0
	for at, h := range list[:min(p, len(list))] {
		got += (math.Exp2(gain[h.Index]) - 1) / math.Log2(float64(at+2))
	}
	slices.SortFunc(gain, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	ideal := 0.0
	for at, g := range gain[:min(p, len(gain))] {
		ideal += (math.Exp2(g) - 1) / math.Log2(float64(at+2))
	}
	if ideal == 0 {
		return math.NaN()
	}
	return got / ideal
}
