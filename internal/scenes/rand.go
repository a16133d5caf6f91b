package scenes

// A stream is a small random source (SplitMix64). It is written out here, and not taken from
// math/rand, because the scenes of a seed must stay the same across Go releases.
type stream uint64

// newStream derives an independent source from a list of keys.
func newStream(keys ...uint64) *stream {
	h := uint64(0x243f6a8885a308d3)
	for _, k := range keys {
		h = mix(h ^ mix(k+0x9e3779b97f4a7c15))
	}
	s := stream(h)
	return &s
}

// mix is SplitMix64's finaliser: a bijection of 64 bits that scatters them well.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (s *stream) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	return mix(uint64(*s))
}

// intn is uniform in 0…n-1 (to within n/2⁶⁴·2³²; n is small here) and 0 for n ≤ 1.
func (s *stream) intn(n int) int {
	if n <= 1 {
		return 0
	}
	return int((s.next() >> 32) * uint64(n) >> 32)
}

// between is uniform in lo…hi, both included.
func (s *stream) between(lo, hi int) int { return lo + s.intn(hi-lo+1) }

// percent is true p times in a hundred.
func (s *stream) percent(p int) bool { return s.intn(100) < p }

// weighted is index i with probability weights[i] / Σ weights.
func (s *stream) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	k := s.intn(sum)
	for i, w := range weights {
		if k -= w; k < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// pick is one element of a list that is not empty.
func pick[T any](s *stream, list []T) T { return list[s.intn(len(list))] }

// shuffle permutes a list in place.
func shuffle[T any](s *stream, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := s.intn(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}
