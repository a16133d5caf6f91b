package index

import "encoding/binary"

// Sizes of dictionary training.
const (
	dictShingle   = 8  // bytes that must repeat to count
	dictPiece     = 64 // bytes taken into the dictionary at a time
	dictMinSample = 16 << 10
	dictMaxSample = 4 << 20
	dictMinSize   = 2 << 10
	dictMaxSize   = 64 << 10
	dictHashBits  = 20
)

// trainDictionary picks the pieces of the records that repeat most: what zstd's
// COVER trainer does, reduced to one pass. It returns nil when there is too
// little to learn from. The result depends on the records alone, which the
// trainers at hand do not promise, and equal input must give equal files.
func trainDictionary(records [][]byte) []byte {
	total := 0
	for _, r := range records {
		total += len(r)
	}
	if total < dictMinSample {
		return nil
	}
	step := total/dictMaxSample + 1
	var sample []byte
	for i := 0; i < len(records); i += step {
		sample = append(sample, records[i]...)
	}
	if len(sample) < dictMinSample {
		return nil
	}
	counts := make([]uint32, 1<<dictHashBits)
	shingles := len(sample) - dictShingle + 1
	for i := range shingles {
		counts[shingleHash(sample[i:])]++
	}
	size := min(max(total/32, dictMinSize), dictMaxSize)
	pieces := size / dictPiece
	epoch := max(len(sample)/pieces, dictPiece+dictShingle)
	var chosen [][]byte
	for from := 0; from+epoch <= len(sample); from += epoch {
		if p := bestPiece(sample[from:from+epoch], counts); p != nil {
			chosen = append(chosen, p)
		}
	}
	dict := make([]byte, 0, size)
	for _, p := range chosen {
		dict = append(dict, p...)
	}
	if len(dict) < dictShingle {
		return nil
	}
	return dict
}

func shingleHash(b []byte) uint32 {
	return uint32(binary.LittleEndian.Uint64(b) * 0x9e3779b97f4a7c15 >> (64 - dictHashBits))
}

// bestPiece finds the window whose shingles are the most frequent ones, and takes
// their counts away, so that the next epoch looks for something else.
func bestPiece(b []byte, counts []uint32) []byte {
	const window = dictPiece - dictShingle + 1
	gain := func(i int) int {
		if c := counts[shingleHash(b[i:])]; c > 1 {
			return int(c)
		}
		return 0
	}
	n := len(b) - dictShingle + 1
	score, best, at := 0, 0, -1
	for i := range n {
		score += gain(i)
		if i >= window {
			score -= gain(i - window)
		}
		if i >= window-1 && score > best {
			best, at = score, i-window+1
		}
	}
	if at < 0 {
		return nil
	}
	for i := at; i < at+window; i++ {
		counts[shingleHash(b[i:])] = 0
	}
	return b[at : at+dictPiece]
}
