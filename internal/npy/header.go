package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin/internal/elem"
)

const (
	magic = "\x93NUMPY"
	// maxHeader bounds the header's text. NumPy's own is 10 000 characters.
	maxHeader = 64 << 10
	maxDims   = 64
	// maxChars bounds each text of an array.
	maxChars = 1 << 20
	// maxDigits is room for any dimension.
	maxDigits = 20
	// maxBytes bounds one array, so that sizes never overflow an int64.
	maxBytes = math.MaxInt64 / 4
)

// A header is the parsed head of a .npy file.
type header struct {
	dtype     elem.Type
	chars     int  // of each text; 0 where values are numbers
	wide      bool // characters of four bytes
	bigEndian bool
	fortran   bool
	shape     []int
	count     int // values
	size      int // bytes of the head itself: where the data starts
}

func (h *header) bytes() int64 { return int64(h.count) * int64(h.valueSize()) }

// valueSize is the bytes of a value.
func (h *header) valueSize() int {
	switch {
	case h.wide:
		return 4 * h.chars
	case h.chars > 0:
		return h.chars
	}
	return h.dtype.Size()
}

// readHeader reads the head and leaves r at the first data byte.
func readHeader(r io.Reader) (*header, error) {
	var fixed [12]byte
	if _, err := io.ReadFull(r, fixed[:10]); err != nil {
		return nil, short(err)
	}
	if string(fixed[:6]) != magic {
		return nil, fmt.Errorf("%w: it does not start with the .npy signature", ErrFormat)
	}
	n, size := int64(binary.LittleEndian.Uint16(fixed[8:])), 10
	switch major := fixed[6]; major {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, fixed[10:]); err != nil {
			return nil, short(err)
		}
		n, size = int64(binary.LittleEndian.Uint32(fixed[8:])), 12
	default:
		return nil, fmt.Errorf("%w: format version %d", ErrUnsupported, major)
	}
	if n > maxHeader {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrFormat, n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, short(err)
	}
	h, err := parseHeader(string(text))
	if err != nil {
		return nil, err
	}
	h.size = size + int(n)
	return h, nil
}

func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the header is cut short", ErrFormat)
	}
	return err
}

// parseHeader reads the Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
func parseHeader(text string) (*header, error) {
	h := &header{}
	p := literal{s: strings.TrimRight(text, " \n\x00")}
	seen := map[string]bool{}
	p.want("{")
	for p.err == nil && !p.take("}") {
		key := p.str()
		p.want(":")
		switch key {
		case "descr":
			p.space()
			if !strings.HasPrefix(p.s, "'") && !strings.HasPrefix(p.s, `"`) && p.err == nil {
				return nil, fmt.Errorf("%w: records (structured element types)", ErrUnsupported)
			}
			if descr := p.str(); p.err == nil {
				if err := h.setType(descr); err != nil {
					return nil, err
				}
			}
		case "fortran_order":
			if h.fortran = p.take("True"); !h.fortran {
				p.want("False")
			}
		case "shape":
			h.shape = p.tuple()
		default:
			p.fail("unknown key " + strconv.Quote(key))
		}
		if seen[key] {
			p.fail("key " + strconv.Quote(key) + " twice")
		}
		seen[key] = true
		if !p.take(",") && !strings.HasPrefix(p.s, "}") {
			p.fail("no comma between keys")
		}
	}
	if p.err == nil && (p.s != "" || len(seen) != 3) {
		p.fail("wants the keys descr, fortran_order and shape, and nothing after them")
	}
	if p.err != nil {
		return nil, p.err
	}
	n, ok := elem.Product(h.shape, h.valueSize(), maxBytes)
	if !ok {
		return nil, fmt.Errorf("%w: shape %v is impossible", ErrFormat, h.shape)
	}
	h.count = n
	return h, nil
}

func (h *header) setType(descr string) error {
	if len(descr) < 2 {
		return fmt.Errorf("%w: element type %q", ErrFormat, descr)
	}
	code := descr[1:]
	switch descr[0] {
	case '<', '|', '=': // '|' is for single bytes; '=' never leaves NumPy, but costs nothing
	case '>':
		h.bigEndian = true
	default:
		code = descr
	}
	if code == "?" {
		code = "b1"
	}
	switch k := kindWith(func(k *kind) bool { return k.descr == code }); {
	case k != nil:
		h.dtype = k.dtype
	case code == "O":
		return fmt.Errorf("%w: pickled Python objects; save plain numbers instead", ErrUnsupported)
	default:
		return h.setText(code, descr)
	}
	return nil
}

// setText reads the element type of text: U or S and a number of characters.
func (h *header) setText(code, descr string) error {
	n, err := strconv.Atoi(code[1:])
	if code[0] != 'U' && code[0] != 'S' || err != nil {
		return fmt.Errorf("%w: element type %q", ErrUnsupported, descr)
	}
	if n < 1 || n > maxChars {
		return fmt.Errorf("%w: texts of %d characters", ErrUnsupported, n)
	}
	h.chars, h.wide = n, code[0] == 'U'
	return nil
}

// formatHeader is the head that NumPy itself writes for an array of this type and shape.
func formatHeader(dtype elem.Type, shape []int) ([]byte, error) {
	k := kindWith(func(k *kind) bool { return k.dtype == dtype })
	if k == nil || dtype == elem.Float16 {
		return nil, fmt.Errorf("%w: writing %s", ErrUnsupported, dtype)
	}
	order := "<"
	if dtype.Size() == 1 {
		order = "|"
	}
	return headerOf(order+k.descr, shape)
}

// headerOf is a head, padded so that the data starts at a multiple of 64 bytes and so that a first dimension may
// grow to any number without moving it.
func headerOf(descr string, shape []int) ([]byte, error) {
	if len(shape) > maxDims {
		return nil, fmt.Errorf("%w: %d dimensions", ErrUnsupported, len(shape))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr)
	for i, d := range shape {
		if d < 0 {
			return nil, fmt.Errorf("%w: shape %v", ErrFormat, shape)
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(d))
		if i < len(shape)-1 || i == 0 && len(shape) == 1 {
			b.WriteByte(',')
		}
	}
	b.WriteString("), }")
	grow := 0
	if len(shape) > 0 {
		grow = maxDigits - len(strconv.Itoa(shape[0]))
	}
	total := (10 + b.Len() + grow + 1 + 63) &^ 63
	head := make([]byte, 0, total)
	head = append(head, magic+"\x01\x00"...)
	head = binary.LittleEndian.AppendUint16(head, uint16(total-10))
	head = append(head, b.String()...)
	for len(head) < total-1 {
		head = append(head, ' ')
	}
	return append(head, '\n'), nil
}

// literal reads the few Python literals that a header has. The first failure sticks.
type literal struct {
	s   string
	err error
}

func (p *literal) fail(why string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: header: %s", ErrFormat, why)
	}
}

func (p *literal) space() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

func (p *literal) take(tok string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.s, tok)
	if ok {
		p.s = rest
		p.space()
	}
	return ok
}

func (p *literal) want(tok string) {
	if p.err == nil && !p.take(tok) {
		p.fail("expected " + strconv.Quote(tok))
	}
}

// str reads a quoted string; header strings have no escapes.
func (p *literal) str() string {
	p.space()
	if p.err != nil {
		return ""
	}
	if p.s == "" || p.s[0] != '\'' && p.s[0] != '"' {
		p.fail("expected a quoted string")
		return ""
	}
	v, rest, ok := strings.Cut(p.s[1:], p.s[:1])
	if !ok || strings.ContainsRune(v, '\\') {
		p.fail("unterminated string")
		return ""
	}
	p.s = rest
	return v
}

// tuple reads (), (3,) or (3, 4). Python 2 wrote long integers as 3L.
func (p *literal) tuple() []int {
	p.want("(")
	dims := []int{}
	for p.err == nil && !p.take(")") {
		i := 0
		for i < len(p.s) && p.s[i] >= '0' && p.s[i] <= '9' {
			i++
		}
		d, err := strconv.Atoi(p.s[:i])
		if err != nil || len(dims) == maxDims {
			p.fail("bad shape")
			return nil
		}
		dims = append(dims, d)
		p.s = strings.TrimPrefix(p.s[i:], "L")
		if !p.take(",") {
			p.want(")")
			break
		}
	}
	return dims
}
