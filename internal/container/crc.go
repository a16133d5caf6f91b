package container

import (
	"github.com/aladin-go/aladin/format"
)

// combineCRC returns the CRC-32C of a run A followed by a run B of n bytes, from
// the CRCs of both. It lets adjoining dead extents become one, so that the
// manifest does not grow with the number of commits.
func combineCRC(a, b uint32, n int64) uint32 {
	if n <= 0 {
		return a
	}
	// Appending a zero bit is a linear map on the CRC's 32 bits; square it to get
	// the maps for 2, 4, 8 … zero bits and apply those that make up 8n bits.
	var odd, even [32]uint32
	odd[0] = 0x82f63b78 // Castagnoli, reflected
	for i := 1; i < 32; i++ {
		odd[i] = 1 << (i - 1)
	}
	squareGF2(&even, &odd) // 2 bits
	squareGF2(&odd, &even) // 4 bits
	for {
		squareGF2(&even, &odd) // first: 8 bits = one byte
		if n&1 != 0 {
			a = timesGF2(&even, a)
		}
		if n >>= 1; n == 0 {
			break
		}
		squareGF2(&odd, &even)
		if n&1 != 0 {
			a = timesGF2(&odd, a)
		}
		if n >>= 1; n == 0 {
			break
		}
	}
	return a ^ b
}

func timesGF2(m *[32]uint32, v uint32) uint32 {
	var sum uint32
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func squareGF2(dst, m *[32]uint32) {
	for i := range m {
		dst[i] = timesGF2(m, m[i])
	}
}

// joinExtents merges neighbours that are separated only by padding. The input
// must be in order of offset.
func joinExtents(es []Extent) []Extent {
	var zeros [format.Alignment]byte
	out := es[:0:0]
	for _, e := range es {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if gap := e.Offset - last.end(); gap >= 0 && gap < format.Alignment {
				crc := combineCRC(last.CRC, Checksum(zeros[:gap]), gap)
				last.CRC = combineCRC(crc, e.CRC, e.Length)
				last.Length += gap + e.Length
				continue
			}
		}
		out = append(out, e)
	}
	return out
}
