package scorer

// ScoreReverse aligns the regions of m with each block of words: scores[i] =
// Σ_w weight_w · max_r ⟨w, r⟩ over the words w of blocks[i]. weights[i] holds
// their weights, one a word; nil weights, or a nil weights[i], are all 1. A word
// that was encoded with weight 0 takes no part whatever weights say. The weights of
// the regions, given to NewMaxSim, only say which of them take part.
//
// A caption and an image get the same score in both directions if both are
// encoded with the same codec without centroids.
func (m *MaxSim) ScoreReverse(blocks [][]byte, weights [][]float32, scores []float32) {
	s := maxPool.Get().(*maxScratch)
	defer maxPool.Put(s)
	scores = scores[:len(blocks)]
	for i, b := range blocks {
		var next []byte
		if i+1 < len(blocks) {
			next = blocks[i+1]
		}
		var w []float32
		if weights != nil {
			w = weights[i]
		}
		scores[i] = m.reverse(s, b, next, w)
	}
}

// ExplainReverse returns, for each word of the block, the region of m that it
// matches best, and the score that ScoreReverse gives.
func (m *MaxSim) ExplainReverse(block []byte, weights []float32) (words []Best, score float32) {
	s := maxPool.Get().(*maxScratch)
	defer maxPool.Put(s)
	score = m.reverse(s, block, nil, weights)
	return append([]Best(nil), s.bests...), score
}

func (m *MaxSim) reverse(s *maxScratch, block, next []byte, weights []float32) (score float32) {
	n := s.load(m.tokens, block)
	s.bests = grow(s.bests, n)
	for i := range s.bests {
		s.bests[i] = Best{Region: -1}
	}
	for g := range m.packs {
		s.multiply(m, g, n, share(next, g, len(m.packs)))
		s.across(m, g, n)
	}
	for i := range s.bests {
		b := &s.bests[i]
		if b.Region < 0 {
			continue
		}
		b.Region = m.used[b.Region]
		w := float32(1)
		if i < len(weights) {
			w = weights[i]
		}
		if w > 0 {
			score += float32(w * b.Similarity)
		} else {
			*b = Best{Region: -1}
		}
	}
	return score
}

// across finds, for each token of the block, the best lane of a group and keeps
// it if it beats those of the groups before. Regions of the bests are numbers of
// lanes until the last group is done.
func (s *maxScratch) across(m *MaxSim, g, n int) {
	var (
		scale = &m.packs[g].scale
		used  = min(lanes, len(m.used)-g*lanes)
		sims  [lanes]float32
	)
	for i := range n {
		rowScale := s.scales[i]
		if rowScale != rowScale {
			continue
		}
		switch {
		case m.tokens.codec == F16:
			for l, f := range (*[lanes]float32)(s.floats[i*lanes:]) {
				sims[l] = f * rowScale
			}
		case m.tables != nil:
			table := (*[lanes]float32)(m.tables[g][int(s.centroids[i])*lanes:])
			for l, d := range (*[lanes]int32)(s.dots[i*lanes:]) {
				sims[l] = (float32(float32(d)*rowScale) + table[l]) * scale[l]
			}
		default:
			// In the order of forward: the region's scale, then the word's.
			for l, d := range (*[lanes]int32)(s.dots[i*lanes:]) {
				sims[l] = float32(float32(d)*scale[l]) * rowScale
			}
		}
		best, at := s.bests[i].Similarity, s.bests[i].Region
		if at < 0 {
			best, at = sims[0], g*lanes
		}
		for l, v := range sims[:used] {
			if v > best {
				best, at = v, g*lanes+l
			}
		}
		s.bests[i] = Best{at, best}
	}
}
