package main

import (
	"encoding/gob"
	"fmt"
	"math"
	"os"
	"sync"
)

type Item struct {
	ID    string
	V     []float32
	T     [][]float32
	W     []float32
	Owner int
}
type Dump struct{ Images, Caps []Item }

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	for i := 0; i+3 < len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	return s0 + s1 + s2 + s3
}

var d Dump
var nI, nC int

func par(n int, f func(i int)) {
	var wg sync.WaitGroup
	for t := range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := t; i < n; i += 2 {
				f(i)
			}
		}()
	}
	wg.Wait()
}

// s[c][i]
func report(name string, s [][]float32) float64 {
	rec := func(r []int) [3]float64 {
		var o [3]float64
		for _, x := range r {
			if x < 1 {
				o[0]++
			}
			if x < 5 {
				o[1]++
			}
			if x < 10 {
				o[2]++
			}
		}
		for k := range o {
			o[k] *= 100 / float64(len(r))
		}
		return o
	}
	t2i := make([]int, nC)
	i2t := make([]int, nI)
	for i := range i2t {
		i2t[i] = 1 << 30
	}
	par(nC, func(c int) {
		o := d.Caps[c].Owner
		v := s[c][o]
		n := 0
		for _, x := range s[c] {
			if x > v {
				n++
			}
		}
		t2i[c] = n
	})
	best := make([]float32, nI)
	for i := range best {
		best[i] = -1e30
	}
	for c := range s {
		o := d.Caps[c].Owner
		best[o] = max(best[o], s[c][o])
	}
	par(nI, func(i int) {
		n := 0
		for c := range s {
			if s[c][i] > best[i] {
				n++
			}
		}
		i2t[i] = n
	})
	a, b := rec(i2t), rec(t2i)
	sum := a[0] + a[1] + a[2] + b[0] + b[1] + b[2]
	fmt.Printf("%-34s %5.1f %5.1f %5.1f | %5.1f %5.1f %5.1f | %6.1f\n", name, a[0], a[1], a[2], b[0], b[1], b[2], sum)
	return sum
}

func grid(f func(c, i int) float32) [][]float32 {
	s := make([][]float32, nC)
	par(nC, func(c int) {
		s[c] = make([]float32, nI)
		for i := range nI {
			s[c][i] = f(c, i)
		}
	})
	return s
}

func main() {
	f, _ := os.Open(os.Args[1])
	gob.NewDecoder(f).Decode(&d)
	nI, nC = len(d.Images), len(d.Caps)
	m := make([][][]float32, nC)  // c, i, w
	rw := make([][][]float32, nC) // c,i : mean over regions of max over words (weighted?), max
	par(nC, func(c int) {
		m[c] = make([][]float32, nI)
		rw[c] = make([][]float32, nI)
		for i := range nI {
			mm := make([]float32, 0, len(d.Caps[c].T))
			rm := make([]float32, len(d.Images[i].T))
			for k := range rm {
				rm[k] = -2
			}
			for _, w := range d.Caps[c].T {
				b := float32(-2)
				for k, r := range d.Images[i].T {
					x := dot(w, r)
					b = max(b, x)
					rm[k] = max(rm[k], x)
				}
				mm = append(mm, b)
			}
			m[c][i] = mm
			rw[c][i] = rm
		}
	})
	match := grid(func(c, i int) float32 { return dot(d.Caps[c].V, d.Images[i].V) })
	report("matching", match)
	W := func(c int) []float32 { return d.Caps[c].W }
	for c := range d.Caps {
		var g float32
		for _, x := range d.Caps[c].W {
			g += x
		}
		for k := range d.Caps[c].W {
			d.Caps[c].W[k] *= float32(len(d.Caps[c].W)) / g
		}
	}
	sum := func(c, i int) (s float32) {
		for k, x := range m[c][i] {
			s += W(c)[k] * x
		}
		return
	}
	norm := func(ts [][]float32, w []float32) float32 {
		o := make([]float32, len(ts[0]))
		for k, t := range ts {
			g := float32(1)
			if len(w) > 0 {
				g = w[k]
			}
			for j, x := range t {
				o[j] += g * x
			}
		}
		return float32(math.Sqrt(float64(dot(o, o))))
	}
	nc := make([]float32, nC)
	for c := range nc {
		nc[c] = norm(d.Caps[c].T, d.Caps[c].W)
	}
	cos := grid(func(c, i int) float32 { return sum(c, i) / nc[c] })
	report("cos norm", cos)
	raw := make([][]float32, nC)
	for c := range raw { raw[c] = d.Caps[c].W }
	for _, k := range []float32{0, 0.3, 0.6, 1, 1.5, 2, 3, 5} {
		for c := range d.Caps {
			w := append([]float32{}, raw[c]...)
			w[0] *= k
			d.Caps[c].W = w
			nc[c] = norm(d.Caps[c].T, w)
		}
		report(fmt.Sprintf("global x %g", k), grid(func(c, i int) float32 { return sum(c, i) / nc[c] }))
	}
	fmt.Println("weights", raw[0], nc[0], d.Caps[0].ID)
	_ = math.Pi
}
