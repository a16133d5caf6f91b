package eval

import (
	"cmp"
	"context"
	"slices"
)

// A Hit is one answer of a ranking.
type Hit struct {
	Index int32
	Score float32
}

// order is that of every ranking: by score downwards, of equals by index.
func order(a, b Hit) int {
	if a.Score != b.Score {
		return cmp.Compare(b.Score, a.Score)
	}
	return cmp.Compare(a.Index, b.Index)
}

// Lists are the first answers of every query, in order.
type Lists struct {
	I2T [][]Hit // captions, by image
	T2I [][]Hit // images, by caption
}

// Top finds the first k answers of every query (all, where there are fewer).
func Top(ctx context.Context, s Scores, k int, o *Options) (*Lists, error) {
	n, m := s.Dims()
	out := &Lists{make([][]Hit, n), make([][]Hit, m)}
	var parts [][]heap // of each worker, by caption
	lock := make(chan struct{}, 1)
	err := blocks(ctx, s, o, func() func(int, []float32) error {
		mine := make([]heap, m)
		lock <- struct{}{}
		parts = append(parts, mine)
		<-lock
		var row heap
		return func(i int, scores []float32) error {
			row = row[:0]
			for c, v := range scores {
				row.offer(Hit{int32(c), v}, k)
				mine[c].offer(Hit{int32(i), v}, k)
			}
			out.I2T[i] = slices.Clone([]Hit(row))
			slices.SortFunc(out.I2T[i], order)
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	for c := range m {
		var all []Hit
		for _, p := range parts {
			all = append(all, p[c]...)
			p[c] = nil
		}
		slices.SortFunc(all, order)
		out.T2I[c] = slices.Clip(all[:min(k, len(all))])
	}
	return out, nil
}

// heap keeps the first k hits offered, the last of them at the root.
type heap []Hit

func (h *heap) offer(x Hit, k int) {
	s := *h
	if len(s) < k {
		s = append(s, x)
		for c := len(s) - 1; c > 0; {
			p := (c - 1) / 2
			if order(s[p], s[c]) >= 0 {
				break
			}
			s[p], s[c] = s[c], s[p]
			c = p
		}
		*h = s
		return
	}
	if k == 0 || x.Score < s[0].Score || order(x, s[0]) > 0 {
		return
	}
	s[0] = x
	for p := 0; ; {
		c := 2*p + 1
		if c >= len(s) {
			return
		}
		if c+1 < len(s) && order(s[c+1], s[c]) > 0 {
			c++
		}
		if order(s[p], s[c]) >= 0 {
			return
		}
		s[p], s[c] = s[c], s[p]
		p = c
	}
}
