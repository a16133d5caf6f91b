package eval

import (
	"context"
	"fmt"
)

// blockRows images are scored at a time: enough that a caption's vector, once fetched, serves many.
const blockRows = 32

// Ranks are the 0-based places of the first right answer of every query; −1 where an image or a
// caption has no right answer and so is no query.
type Ranks struct {
	I2T []int32 // by image
	T2I []int32 // by caption
	// Tied counts the queries for which a wrong answer has exactly the score of the first right one, so
	// that the order of indexes decides the rank.
	TiedI2T, TiedT2I int
}

// best is the first right answer of a query: the highest score, of equals the lowest index.
type best struct {
	score float32
	index int32 // −1: none
}

func (b best) before(score float32, index int32) bool {
	return b.index >= 0 && (b.score > score || b.score == score && b.index < index)
}

// Rank finds the ranks of all queries. It goes over the scores twice: once for the right answers and
// once for those before them.
func Rank(ctx context.Context, s Scores, rel *Relation, o *Options) (*Ranks, error) {
	n, m := s.Dims()
	if rn, rm := rel.Dims(); rn != n || rm != m {
		return nil, fmt.Errorf("%w: scores of %d images × %d captions, relation of %d × %d", ErrInput, n, m, rn, rm)
	}
	out := &Ranks{I2T: make([]int32, n), T2I: make([]int32, m)}
	halves := func(half int) *Options {
		return &Options{Threads: o.threads(), Progress: func(done, total int) { o.progress(half*total+done, 2*total) }}
	}

	strict := !o.optimistic() // equal scores count by their index
	first := make([]best, m)
	for c := range first {
		first[c].index = -1
	}
	var found []([]best) // of each worker
	var tied []*tally
	lock := make(chan struct{}, 1)
	err := blocks(ctx, s, halves(0), func() func(int, []float32) error {
		mine := make([]best, m)
		for c := range mine {
			mine[c].index = -1
		}
		t := &tally{}
		lock <- struct{}{}
		found, tied = append(found, mine), append(tied, t)
		<-lock
		return func(i int, row []float32) error {
			for c, v := range row {
				if v != v {
					return fmt.Errorf("%w: the score of image %d and caption %d is NaN", ErrInput, i, c)
				}
			}
			own := rel.Captions(i)
			for _, c := range own {
				if v := row[c]; !mine[c].before(v, int32(i)) {
					mine[c] = best{v, int32(i)}
				}
			}
			out.I2T[i] = rankRow(row, own, strict, t)
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	for _, mine := range found {
		for c, b := range mine {
			if b.index >= 0 && !first[c].before(b.score, b.index) {
				first[c] = b
			}
		}
	}
	for _, t := range tied {
		out.TiedI2T += t.tied
	}

	var counts []*tally
	err = blocks(ctx, s, halves(1), func() func(int, []float32) error {
		t := &tally{before: make([]int32, m), ties: make([]bool, m)}
		lock <- struct{}{}
		counts = append(counts, t)
		<-lock
		return func(i int, row []float32) error {
			for c, v := range row {
				f := first[c]
				if v < f.score || f.index < 0 || f.index == int32(i) {
					continue
				}
				if v > f.score || strict && int32(i) < f.index {
					t.before[c]++
				}
				if v == f.score && !rel.Right(c, i) {
					t.ties[c] = true
				}
			}
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	for c := range out.T2I {
		if first[c].index < 0 {
			out.T2I[c] = -1
			continue
		}
		tie := false
		for _, t := range counts {
			out.T2I[c] += t.before[c]
			tie = tie || t.ties[c]
		}
		if tie {
			out.TiedT2I++
		}
	}
	return out, nil
}

// tally is what one worker counts.
type tally struct {
	tied   int
	before []int32
	ties   []bool
}

func rankRow(row []float32, own []int32, strict bool, t *tally) int32 {
	if len(own) == 0 {
		return -1
	}
	b := best{index: -1}
	for _, c := range own {
		if !b.before(row[c], c) {
			b = best{row[c], c}
		}
	}
	var rank int32
	equal := 0
	for c, v := range row {
		if v > b.score || strict && v == b.score && int32(c) < b.index {
			rank++
		}
		if v == b.score {
			equal++
		}
	}
	for _, c := range own {
		if row[c] == b.score {
			equal--
		}
	}
	if equal > 0 {
		t.tied++
	}
	return rank
}

// blocks calls a worker's function with every row of s, in no particular order.
func blocks(ctx context.Context, s Scores, o *Options, worker func() func(image int, row []float32) error) error {
	n, m := s.Dims()
	return parallel(ctx, o, n, blockRows, func() func(int, int) error {
		visit := worker()
		images := make([]int, 0, blockRows)
		block := make([]float32, blockRows*m)
		return func(from, to int) error {
			images = images[:0]
			for i := from; i < to; i++ {
				images = append(images, i)
			}
			if err := s.Rows(images, block[:(to-from)*m]); err != nil {
				return err
			}
			for k, i := range images {
				if err := visit(i, block[k*m:(k+1)*m]); err != nil {
					return err
				}
			}
			return nil
		}
	})
}
