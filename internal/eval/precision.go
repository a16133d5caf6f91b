package eval

import "math"

// A Mean is a figure that is the average of one value a query; NaN where there is no query.
type Mean struct {
	I2T []float64 // by image
	T2I []float64 // by caption
}

// NewMean has room for all queries and none yet.
func NewMean(images, captions int) *Mean {
	m := &Mean{make([]float64, images), make([]float64, captions)}
	for _, s := range [][]float64{m.I2T, m.T2I} {
		for k := range s {
			s[k] = math.NaN()
		}
	}
	return m
}

// Put enters the values found in one gallery.
func (m *Mean) Put(g Gallery, from *Mean) {
	for k, i := range g.Images {
		m.I2T[i] = from.I2T[k]
	}
	for k, c := range g.Captions {
		m.T2I[c] = from.T2I[k]
	}
}

// Values are the averages over the queries of each direction.
func (m *Mean) Values() (i2t, t2i float64) {
	return average(m.I2T), average(m.T2I)
}

func average(v []float64) float64 {
	sum, n := 0.0, 0
	for _, x := range v {
		if !math.IsNaN(x) {
			sum += x
			n++
		}
	}
	return sum / float64(n)
}

// Statistic is the two averages, i2t and t2i, for any weights of the images. Every query counts the
// same, whatever its gallery.
func (m *Mean) Statistic(owner []int, split *Split) *Statistic {
	return &Statistic{
		Figures: 2,
		Split:   split,
		New: func() func([]int32, []float64) {
			return func(weight []int32, out []float64) {
				var sum [2]float64
				var n [2]int64
				add := func(side, image int, x float64) {
					w := int64(1)
					if weight != nil {
						w = int64(weight[image])
					}
					if w > 0 && !math.IsNaN(x) {
						sum[side] += float64(w) * x
						n[side] += w
					}
				}
				for i, x := range m.I2T {
					add(0, i, x)
				}
				for c, x := range m.T2I {
					add(1, owner[c], x)
				}
				out[0], out[1] = sum[0]/float64(n[0]), sum[1]/float64(n[1])
			}
		},
	}
}

// Precision is mAP@R and R-Precision of every query, 0…1. The lists must hold the first R answers of
// each query, R being the number of its right answers (see MostRight).
func Precision(lists *Lists, rel *Relation) (mapAtR, rPrecision *Mean) {
	n, m := rel.Dims()
	mapAtR, rPrecision = NewMean(n, m), NewMean(n, m)
	ofQuery := func(list []Hit, right []int32) (ap, rp float64) {
		r := len(right)
		if r == 0 {
			return math.NaN(), math.NaN()
		}
		is := make(map[int32]bool, r)
		for _, x := range right {
			is[x] = true
		}
		hits := 0
		for at, h := range list[:min(r, len(list))] {
			if is[h.Index] {
				hits++
				ap += float64(hits) / float64(at+1)
			}
		}
		return ap / float64(r), float64(hits) / float64(r)
	}
	for i := range n {
		mapAtR.I2T[i], rPrecision.I2T[i] = ofQuery(lists.I2T[i], rel.Captions(i))
	}
	for c := range m {
		mapAtR.T2I[c], rPrecision.T2I[c] = ofQuery(lists.T2I[c], rel.Images(c))
	}
	return mapAtR, rPrecision
}

// MostRight is the largest number of right answers that any query has.
func (r *Relation) MostRight() int {
	most := 0
	for _, side := range [][][]int32{r.ofCaption, r.ofImage} {
		for _, s := range side {
			most = max(most, len(s))
		}
	}
	return most
}
