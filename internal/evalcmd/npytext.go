package evalcmd

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The ids of a dump are arrays of text, as numpy has them: '<U…' (UTF-32, padded with zeros) or
// '|S…' (bytes). internal/npy holds numbers only, so text is read and written here.

const npyMagic = "\x93NUMPY"

var (
	errNotText = errors.New("not an array of text")
	textHeader = regexp.MustCompile(`'descr':\s*'([<>|=]?)([US])(\d+)'.*'shape':\s*\((\d+),?\s*\)`)
)

// readTexts reads a one-dimensional array of text; errNotText where it holds something else.
func readTexts(r io.Reader) ([]string, error) {
	head := make([]byte, 10)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:6]) != npyMagic {
		return nil, fmt.Errorf("%w: no .npy header", errData)
	}
	size := int(binary.LittleEndian.Uint16(head[8:]))
	if head[6] > 1 { // versions 2 and 3 have four bytes of length
		more := make([]byte, 2)
		if _, err := io.ReadFull(r, more); err != nil {
			return nil, fmt.Errorf("%w: .npy header cut short", errData)
		}
		size |= int(binary.LittleEndian.Uint16(more)) << 16
	}
	if size > 1<<16 {
		return nil, fmt.Errorf("%w: .npy header of %d bytes", errData, size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("%w: .npy header cut short", errData)
	}
	m := textHeader.FindStringSubmatch(string(text))
	if m == nil {
		return nil, errNotText
	}
	width, err1 := strconv.Atoi(m[3])
	n, err2 := strconv.Atoi(m[4])
	if err1 != nil || err2 != nil || width > 1<<20 || n > 1<<31 {
		return nil, fmt.Errorf("%w: %s texts of %s characters", errData, m[4], m[3])
	}
	var order binary.ByteOrder = binary.LittleEndian
	if m[1] == ">" {
		order = binary.BigEndian
	}
	step := 1
	if m[2] == "U" {
		step = 4
	}
	cell := make([]byte, width*step)
	var out []string // grows with what arrives, not with what the header claims
	for k := range n {
		if _, err := io.ReadFull(r, cell); err != nil {
			return nil, fmt.Errorf("%w: %d of %d texts: the file is cut short", errData, k, n)
		}
		if step == 1 {
			out = append(out, strings.TrimRight(string(cell), "\x00"))
			continue
		}
		var b strings.Builder
		for j := range width {
			c := order.Uint32(cell[4*j:])
			if c == 0 {
				break
			}
			if c > utf8.MaxRune {
				return nil, fmt.Errorf("%w: text %d holds the character %#x", errData, k, c)
			}
			b.WriteRune(rune(c))
		}
		out = append(out, b.String())
	}
	return out, nil
}

// writeTexts writes a one-dimensional '<U' array.
func writeTexts(w io.Writer, texts []string) error {
	width := 1
	for _, t := range texts {
		width = max(width, utf8.RuneCountInString(t))
	}
	head := fmt.Sprintf("{'descr': '<U%d', 'fortran_order': False, 'shape': (%d,), }", width, len(texts))
	if err := writeHeader(w, head); err != nil {
		return err
	}
	cell := make([]byte, 4*width)
	for _, t := range texts {
		clear(cell)
		k := 0
		for _, r := range t {
			binary.LittleEndian.PutUint32(cell[4*k:], uint32(r))
			k++
		}
		if _, err := w.Write(cell); err != nil {
			return err
		}
	}
	return nil
}

// writeHeader pads the header so that the data starts at a multiple of 64 bytes.
func writeHeader(w io.Writer, head string) error {
	pad := (64 - (10+len(head)+1)%64) % 64
	head += strings.Repeat(" ", pad) + "\n"
	out := append([]byte(npyMagic), 1, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(head)))
	_, err := w.Write(append(out, head...))
	return err
}

// vectorKey is a digest of a vector's values, bit by bit.
func vectorKey(v []float32) string {
	sum := sha256.Sum256(floatBytes(v))
	return string(sum[:])
}

// writeFloatHeader starts a '<f4' matrix in C order.
func writeFloatHeader(w io.Writer, rows, cols int) error {
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	return writeHeader(w, head)
}

func floatBytes(v []float32) []byte {
	b := make([]byte, 4*len(v))
	for j, x := range v {
		binary.LittleEndian.PutUint32(b[4*j:], math.Float32bits(x))
	}
	return b
}

func floatsOf(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for j := range v {
		v[j] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*j:]))
	}
	return v
}
