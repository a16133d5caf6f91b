package vector

import "math"

// ScoreReverse aligns the regions of m with each block of words: scores[i] =
// Σ_w weight_w · max_r ⟨w, r⟩ over the words w of blocks[i]. weights[i] holds
// their weights, one a word; nil weights, or a nil weights[i], are all 1. A word
// that was encoded with weight 0 takes no part whatever weights say. The weights of
// the regions, given to NewMaxSim, only say which of them take part.
//
// A caption and an image get the same score in both directions if both are
// encoded with the same codec without centroids.
func (m *MaxSim) ScoreReverse(blocks [][]byte, weights [][]float32, scores []float32) {
	eachBlock(blocks, scores, func(s *maxScratch, i int, block, next []byte) float32 {
		var w []float32
		if weights != nil {
			w = weights[i]
		}
		return m.reverse(s, block, next, w)
	})
}

// ExplainReverse returns, for each word of the block, the region of m that it
// matches best, and the score that ScoreReverse gives.
func (m *MaxSim) ExplainReverse(block []byte, weights []float32) (words []Best, score float32) {
	s := maxPool.Get().(*maxScratch)
	defer maxPool.Put(s)
	score = m.reverse(s, block, nil, weights)
	words = make([]Best, len(s.rowArg))
	for i, lane := range s.rowArg {
		words[i].Region = -1
		if lane >= 0 {
			words[i] = Best{m.used[lane], s.rowBest[i]}
		}
	}
	return words, score
}

// reverse leaves the similarity and the lane of each word's best region in s; the
// lane is −1 if the word or all regions take no part.
func (m *MaxSim) reverse(s *maxScratch, block, next []byte, weights []float32) (score float32) {
	n := s.load(m.tokens, block)
	s.rowBest, s.rowArg = grow(s.rowBest, n), grow(s.rowArg, n)
	for i := range n {
		s.rowBest[i], s.rowArg[i] = float32(math.Inf(-1)), -1
	}
	for g := range m.packs {
		s.multiply(m, g, n, share(next, g, len(m.packs)))
		s.across(m, g, n)
	}
	for i, lane := range s.rowArg {
		w := float32(1)
		if i < len(weights) {
			w = weights[i]
		}
		switch {
		case lane < 0:
		case w > 0:
			score += float32(w * s.rowBest[i])
		default:
			s.rowArg[i] = -1
		}
	}
	return score
}

// across finds, for each token of the block, the best lane of a group and keeps
// it if it beats those of the groups before.
func (s *maxScratch) across(m *MaxSim, g, n int) {
	p, first := m.packs[g], int32(g*lanes)
	if m.tables == nil && !m.tokens.float() {
		// In the order of forward: the region's scale, then the word's.
		kernel.across16(s.dots[:n*lanes], &p.scale, s.scales[:n], &p.plus, first, s.rowBest[:n], s.rowArg[:n])
		return
	}
	var sims [lanes]float32
	for i := range n {
		rowScale := s.scales[i]
		if m.tables == nil {
			for l, f := range (*[lanes]float32)(s.floats[i*lanes:]) {
				sims[l] = f * rowScale
			}
		} else {
			table := (*[lanes]float32)(m.tables[g][int(s.centroids[i])*lanes:])
			for l, d := range (*[lanes]int32)(s.dots[i*lanes:]) {
				sims[l] = (float32(float32(d)*rowScale) + table[l]) * p.scale[l]
			}
		}
		for l, v := range sims[:min(lanes, len(m.used)-g*lanes)] {
			if v > s.rowBest[i] {
				s.rowBest[i], s.rowArg[i] = v, first+int32(l)
			}
		}
	}
}
