package jpeg

import (
	"errors"
	"fmt"
	"io"
)

// errOverrun is returned where the entropy coded data end too early, at a marker.
var errOverrun = errors.New("jpeg: data end early")

// An input reads bytes, and bits of entropy coded data.
type input struct {
	r     io.Reader
	begun bool
	err   error // of r; then bytes are 0
	taken int64 // bytes read from r

	buf      [16 << 10]byte
	pos, end int

	acc   uint64 // the low n bits are to come
	n     uint
	stop  bool // a marker was met, or the end: the bits behind are 0
	extra int  // bytes of 0 that stand for what is missing
}

// cause is the reader's own error in place of one that follows from it.
func (in *input) cause(err error) error {
	if in.err != nil && in.err != io.EOF {
		return in.err
	}
	if err == io.EOF {
		return fmt.Errorf("%w after %d bytes", ErrTruncated, in.taken)
	}
	return err
}

func (in *input) fill() bool {
	if in.err != nil {
		return false
	}
	in.pos, in.end = 0, 0
	for in.end == 0 && in.err == nil {
		in.end, in.err = in.r.Read(in.buf[:])
	}
	in.taken += int64(in.end)
	if in.end > 0 {
		in.err = nil
		return true
	}
	return false
}

// byte is the next byte, 0 behind the end.
func (in *input) byte() byte {
	if in.pos == in.end && !in.fill() {
		return 0
	}
	b := in.buf[in.pos]
	in.pos++
	return b
}

func (in *input) read(b []byte) error {
	for len(b) > 0 {
		if in.pos == in.end && !in.fill() {
			return in.err
		}
		n := copy(b, in.buf[in.pos:in.end])
		in.pos += n
		b = b[n:]
	}
	return nil
}

// marker finds the next marker, whatever lies before it.
func (in *input) marker() (byte, error) {
	for {
		b := in.byte()
		for b != 0xff && in.err == nil {
			b = in.byte()
		}
		for b == 0xff && in.err == nil {
			b = in.byte()
		}
		if in.err != nil {
			return 0, in.err
		}
		if b != 0 {
			return b, nil
		}
	}
}

// beginBits begins entropy coded data.
func (in *input) beginBits() { in.acc, in.n, in.stop, in.extra = 0, 0, false, 0 }

// more takes bytes until there are at least 48 bits.
func (in *input) more() {
	for in.n <= 48 {
		var b byte
		switch {
		case in.stop:
			in.extra++
		case in.pos+1 < in.end && in.buf[in.pos] != 0xff:
			b = in.buf[in.pos]
			in.pos++
		default:
			b = in.stuffed()
		}
		in.acc = in.acc<<8 | uint64(b)
		in.n += 8
	}
}

// stuffed reads a byte of which 0xff is written with a 0 behind it; at a marker it stops, and the marker is
// still to be read.
func (in *input) stuffed() byte {
	b := in.byte()
	if in.err != nil {
		in.stop = true
		in.extra++
		return 0
	}
	if b != 0xff {
		return b
	}
	next := in.byte()
	for next == 0xff && in.err == nil {
		next = in.byte()
	}
	if next == 0 && in.err == nil {
		return 0xff
	}
	in.stop = true
	in.extra++
	if in.err == nil {
		// Both bytes lie in the buffer, unless it was filled between them; then they are put there.
		if in.pos < 2 {
			copy(in.buf[2:], in.buf[in.pos:in.end])
			in.pos, in.end = 2, in.end-in.pos+2
		}
		in.pos -= 2
		in.buf[in.pos], in.buf[in.pos+1] = 0xff, next
	}
	return 0
}

// overrun says whether bits were used that are not there. The last byte is filled up with bits that nobody
// uses.
func (in *input) overrun() bool { return in.extra > 0 && uint(in.extra)*8 > in.n }

// bits takes n bits, at most 16.
func (in *input) bits(n uint) int {
	if in.n < n {
		in.more()
	}
	in.n -= n
	return int(in.acc>>in.n) & (1<<n - 1)
}

// extended takes a number of n bits whose upper half is the positive ones.
func (in *input) extended(n uint) int {
	v := in.bits(n)
	if n > 0 && v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v
}

const lookBits = 9

// A huffman is a table of codes.
type huffman struct {
	look    [1 << lookBits]uint16 // length<<8 | symbol; 0: the code is longer
	symbols []byte
	last    [17]int // largest code of each length, −1: there is none
	offset  [17]int // from a code of that length to its symbol
}

func (d *decoder) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 {
			return fmt.Errorf("%w: Huffman table", ErrFormat)
		}
		class, id := b[0]>>4, b[0]&15
		total := 0
		for _, n := range b[1:17] {
			total += int(n)
		}
		if class > 1 || id > 3 || total > 256 || len(b) < 17+total {
			return fmt.Errorf("%w: Huffman table", ErrFormat)
		}
		h, err := newHuffman(b[1:17], b[17:17+total])
		if err != nil {
			return err
		}
		d.huff[class][id] = h
		b = b[17+total:]
	}
	return nil
}

func newHuffman(counts, symbols []byte) (*huffman, error) {
	h := &huffman{symbols: append([]byte(nil), symbols...)}
	code, k := 0, 0
	for n := 1; n <= 16; n++ {
		count := int(counts[n-1])
		h.last[n], h.offset[n] = -1, k-code
		if count > 0 {
			if code+count > 1<<n {
				return nil, fmt.Errorf("%w: Huffman codes overflow", ErrFormat)
			}
			for i := range count {
				if n <= lookBits {
					at := (code + i) << (lookBits - n)
					for j := range 1 << (lookBits - n) {
						h.look[at+j] = uint16(n)<<8 | uint16(symbols[k+i])
					}
				}
			}
			code, k = code+count, k+count
			h.last[n] = code - 1
		}
		code <<= 1
	}
	return h, nil
}

// symbol decodes one code.
func (in *input) symbol(h *huffman) (byte, error) {
	if in.n < 16 {
		in.more()
	}
	if e := h.look[in.acc>>(in.n-lookBits)&(1<<lookBits-1)]; e != 0 {
		in.n -= uint(e >> 8)
		return byte(e), nil
	}
	for n := uint(lookBits + 1); n <= 16; n++ {
		code := int(in.acc>>(in.n-n)) & (1<<n - 1)
		if code <= h.last[n] {
			in.n -= n
			return h.symbols[code+h.offset[n]], nil
		}
	}
	if in.extra > 0 {
		return 0, errOverrun
	}
	return 0, fmt.Errorf("%w: no such Huffman code", ErrFormat)
}
