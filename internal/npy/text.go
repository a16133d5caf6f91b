package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// NumPy keeps text in cells of one width, padded with zeros: '<U…' in UTF-32, '|S…' in bytes.

// texts are the values of an array of text.
func (h *header) texts(b []byte) (*Array, error) {
	if len(h.shape) != 1 {
		return nil, fmt.Errorf("%w: text of shape %v, want one dimension", ErrUnsupported, h.shape)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if h.bigEndian {
		order = binary.BigEndian
	}
	out := make([]string, h.count)
	size := h.valueSize()
	for k := range out {
		cell := b[k*size : (k+1)*size]
		if !h.wide {
			out[k] = strings.TrimRight(string(cell), "\x00")
			continue
		}
		var text strings.Builder
		for j := 0; j < size; j += 4 {
			c := order.Uint32(cell[j:])
			if c == 0 {
				break
			}
			if c > utf8.MaxRune {
				return nil, fmt.Errorf("%w: text %d holds the character %#x", ErrFormat, k, c)
			}
			text.WriteRune(rune(c))
		}
		out[k] = text.String()
	}
	return &Array{Shape: h.shape, Data: out}, nil
}

// writeTexts writes a one-dimensional '<U' array.
func writeTexts(w io.Writer, texts []string) error {
	chars := 1
	for _, t := range texts {
		chars = max(chars, utf8.RuneCountInString(t))
	}
	head, err := headerOf(fmt.Sprintf("<U%d", chars), []int{len(texts)})
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	cell := make([]byte, 4*chars)
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
