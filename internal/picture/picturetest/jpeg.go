package picturetest

import (
	"bytes"
	"math/bits"
)

// A JPEG writes JPEG files byte by byte, also such as no encoder writes. Its Huffman tables give every symbol a
// code of eight bits, which is the symbol itself.
type JPEG struct {
	bytes.Buffer
	acc uint64
	n   uint
}

// NewJPEG begins a file of components with 8 bits a sample, of sampling factors such as 0x22, and with
// quantisation steps of q.
func NewJPEG(frame byte, w, h int, q byte, sampling ...byte) *JPEG {
	j := &JPEG{}
	j.Write([]byte{0xff, 0xd8})
	j.Segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{q}, 64)...)...)
	body := []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), byte(len(sampling))}
	for i, s := range sampling {
		body = append(body, byte(i+1), s, 0)
	}
	j.Segment(frame, body...)
	for _, class := range []byte{0x00, 0x10} {
		table := append([]byte{class}, 0, 0, 0, 0, 0, 0, 0, 255, 1, 0, 0, 0, 0, 0, 0, 0) // no code is all ones
		for s := range 256 {
			table = append(table, byte(s))
		}
		j.Segment(0xc4, table...)
	}
	return j
}

// Segment writes a marker segment.
func (j *JPEG) Segment(marker byte, body ...byte) {
	j.Write([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)})
	j.Write(body)
}

// Scan begins a scan of a spectral band of some components, numbered from 1.
func (j *JPEG) Scan(ss, se, ah, al byte, components ...byte) {
	body := []byte{byte(len(components))}
	for _, c := range components {
		body = append(body, c, 0)
	}
	j.Segment(0xda, append(body, ss, se, ah<<4|al)...)
}

// Symbol writes a Huffman code.
func (j *JPEG) Symbol(s byte) { j.Bits(int(s), 8) }

// Bits writes the low n bits of v.
func (j *JPEG) Bits(v int, n uint) {
	j.acc, j.n = j.acc<<n|uint64(v)&(1<<n-1), j.n+n
	for j.n >= 8 {
		j.n -= 8
		b := byte(j.acc >> j.n)
		j.WriteByte(b)
		if b == 0xff {
			j.WriteByte(0)
		}
	}
}

// EndScan fills the last byte up.
func (j *JPEG) EndScan() {
	if j.n > 0 {
		j.Bits(0xff, 8-j.n)
	}
}

// End ends the file.
func (j *JPEG) End() []byte {
	j.Write([]byte{0xff, 0xd9})
	return j.Bytes()
}

// number is how many bits a value takes, and those bits.
func number(v int) (n uint, b int) {
	n = uint(bits.Len(uint(max(v, -v))))
	if v < 0 {
		v += 1<<n - 1
	}
	return n, v
}

// DC writes the difference of a DC value from the block before.
func (j *JPEG) DC(diff int) {
	n, b := number(diff)
	j.Symbol(byte(n))
	j.Bits(b, n)
}

// AC writes the coefficients ss…se of a block (zigzag order), each shifted right by al towards 0, as a first
// scan does, and as a sequential one does with al = 0.
func (j *JPEG) AC(block *[64]int, ss, se int, al uint) {
	run := 0
	for z := ss; z <= se; z++ {
		v := shifted(block[z], al)
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			j.Symbol(0xf0)
		}
		n, b := number(v)
		j.Symbol(byte(run)<<4 | byte(n))
		j.Bits(b, n)
		run = 0
	}
	if run > 0 {
		j.Symbol(0)
	}
}

// Refine writes bit al of the coefficients ss…se of a block.
func (j *JPEG) Refine(block *[64]int, ss, se int, al uint) {
	last := ss - 1 // the last coefficient that becomes other than 0 here
	for z := ss; z <= se; z++ {
		if v := shifted(block[z], al); v == 1 || v == -1 {
			last = z
		}
	}
	run := 0
	var pending []int // bits of those that were not 0 before
	flush := func() {
		for _, b := range pending {
			j.Bits(b, 1)
		}
		pending = nil
	}
	for z := ss; z <= se; z++ {
		v := shifted(block[z], al)
		switch {
		case v > 1 || v < -1:
			pending = append(pending, max(v, -v)&1)
			continue
		case v == 0:
			if run++; run == 16 && z < last {
				j.Symbol(0xf0)
				flush()
				run = 0
			}
			continue
		}
		j.Symbol(byte(run)<<4 | 1)
		j.Bits((v+1)/2, 1)
		flush()
		run = 0
	}
	if run > 0 || len(pending) > 0 {
		j.Symbol(0)
		flush()
	}
}

func shifted(v int, al uint) int {
	if v < 0 {
		return -(-v >> al)
	}
	return v >> al
}
