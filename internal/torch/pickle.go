package torch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of one pickle. Honest files stay far below.
const (
	// A pickle may allocate about budgetBase bytes, and budgetFactor more for each of its own bytes.
	budgetBase   = 64 << 20
	budgetFactor = 32
	maxMark      = 1 << 20  // open MARKs
	maxLong      = 64 << 10 // bytes of an integer
	maxDigits    = 4300     // of an integer written as text; Python's own bound
)

// Unpickle reads a pickle that stands alone, as Python's pickle module writes it, into the values of [File.Value]. Nothing
// in it is executed.
func Unpickle(data []byte) (any, error) {
	raw, end, err := unpickle(data, 0, nil)
	if err != nil {
		return nil, err
	}
	return freeze(raw, end)
}

// An unpickler runs one pickle. Lists are *list until freeze, since a pickle goes on adding to a list
// that others already refer to.
type unpickler struct {
	data       []byte
	pos, start int
	stack      []any
	marks      []int
	memo       map[int]any
	next       []any // memo entries 0, 1, 2… as most pickles number them
	spent      int64
	persistent func(id any) (any, error)
}

type list struct{ items []any }

// unpickle runs the pickle at data[pos:] and returns its raw value and the position after it.
func unpickle(data []byte, pos int, persistent func(id any) (any, error)) (any, int, error) {
	u := &unpickler{data: data, pos: pos, start: pos, persistent: persistent}
	for {
		at := u.pos
		if at >= len(data) {
			return nil, at, fmt.Errorf("%w: the pickle at byte %d is cut short", ErrFormat, pos)
		}
		op := data[at]
		u.pos++
		if op == '.' {
			v, err := u.pop()
			if err == nil && len(u.stack) > 0 {
				err = fmt.Errorf("%w: %d values left over", ErrFormat, len(u.stack))
			}
			if err != nil {
				return nil, at, fmt.Errorf("pickle, byte %d: %w", at, err)
			}
			return v, u.pos, nil
		}
		if err := u.step(op); err != nil {
			return nil, at, fmt.Errorf("pickle, byte %d, opcode %q: %w", at, op, err)
		}
	}
}

var (
	errStack = fmt.Errorf("%w: too few values on the stack", ErrFormat)
	errShort = fmt.Errorf("%w: cut short", ErrFormat)
)

// charge counts memory that the pickle asks for.
func (u *unpickler) charge(n int64) error {
	u.spent += n
	if u.spent > budgetBase+budgetFactor*int64(u.pos-u.start) {
		return fmt.Errorf("%w: %d bytes allocated by %d bytes of pickle", ErrLimit, u.spent, u.pos-u.start)
	}
	return nil
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return u.charge(32)
}

// floor is the height of the stack at the innermost mark: what lies below is out of reach.
func (u *unpickler) floor() int {
	if len(u.marks) == 0 {
		return 0
	}
	return u.marks[len(u.marks)-1]
}

func (u *unpickler) pop() (any, error) {
	n := len(u.stack) - 1
	if n < u.floor() {
		return nil, errStack
	}
	v := u.stack[n]
	u.stack = u.stack[:n]
	return v, nil
}

func (u *unpickler) top() (any, error) {
	if n := len(u.stack); n > u.floor() {
		return u.stack[n-1], nil
	}
	return nil, errStack
}

// popMark takes the values above the innermost mark. They stay valid until the next push.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, fmt.Errorf("%w: no mark", ErrFormat)
	}
	at := u.floor()
	u.marks = u.marks[:len(u.marks)-1]
	items := u.stack[at:]
	u.stack = u.stack[:at]
	return items, u.charge(16 * int64(len(items)))
}

// take is the next n bytes; they alias the file.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.data)-u.pos) {
		return nil, errShort
	}
	b := u.data[u.pos:][:n]
	u.pos += int(n)
	return b, nil
}

// number is a little-endian unsigned integer of n bytes.
func (u *unpickler) number(n int) (uint64, error) {
	var b [8]byte
	got, err := u.take(uint64(n))
	copy(b[:], got)
	return binary.LittleEndian.Uint64(b[:]), err
}

// counted is bytes with their length before them in n bytes.
func (u *unpickler) counted(n int) ([]byte, error) {
	size, err := u.number(n)
	if err != nil {
		return nil, err
	}
	b, err := u.take(size)
	if err != nil {
		return nil, err
	}
	return b, u.charge(int64(len(b)))
}

// line is the text up to the next newline.
func (u *unpickler) line() (string, error) {
	i := bytes.IndexByte(u.data[u.pos:], '\n')
	if i < 0 {
		return "", errShort
	}
	b, err := u.take(uint64(i))
	u.pos++
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(string(b), "\r"), u.charge(int64(i))
}

func (u *unpickler) put(i int, v any) error {
	switch {
	case i < 0:
		return fmt.Errorf("%w: memo %d", ErrFormat, i)
	case i < len(u.next):
		u.next[i] = v
		return nil
	case i == len(u.next):
		u.next = append(u.next, v)
		return u.charge(32)
	}
	if u.memo == nil {
		u.memo = make(map[int]any)
	}
	u.memo[i] = v
	return u.charge(64)
}

func (u *unpickler) get(i int) error {
	if i >= 0 && i < len(u.next) {
		return u.push(u.next[i])
	}
	v, ok := u.memo[i]
	if !ok {
		return fmt.Errorf("%w: memo %d is not set", ErrFormat, i)
	}
	return u.push(v)
}

func (u *unpickler) memoTop(i uint64, err error) error {
	if err != nil {
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	return u.put(int(i), v)
}

// text is a string of the file. Python's surrogates, which are no UTF-8, become U+FFFD.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// long is a two's-complement little-endian integer.
func long(b []byte) (any, error) {
	if len(b) > maxLong {
		return nil, fmt.Errorf("%w: an integer of %d bytes", ErrLimit, len(b))
	}
	if len(b) == 0 {
		return int64(0), nil
	}
	negative := b[len(b)-1]&0x80 != 0
	if len(b) <= 8 {
		var full [8]byte
		if negative {
			full = [8]byte{255, 255, 255, 255, 255, 255, 255, 255}
		}
		copy(full[:], b)
		return int64(binary.LittleEndian.Uint64(full[:])), nil
	}
	be := bytes.Clone(b)
	slices.Reverse(be)
	n := new(big.Int).SetBytes(be)
	if negative {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return shrink(n), nil
}

func shrink(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// decimal is an integer of the text opcodes.
func decimal(s string) (any, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if len(s) > maxDigits {
		return nil, fmt.Errorf("%w: an integer of %d digits", ErrLimit, len(s))
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("%w: %q is no integer", ErrFormat, s)
	}
	return shrink(n), nil
}

func float(s string) (any, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, fmt.Errorf("%w: %q is no number", ErrFormat, s)
	}
	return f, nil
}

// quoted reads the repr of a Python 2 string.
func quoted(s string) (any, error) {
	bad := fmt.Errorf("%w: badly quoted string", ErrFormat)
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		return nil, bad
	}
	return unescape(s[1:len(s)-1], false)
}

// unescape undoes the escapes of a repr, or with unicode those of raw-unicode-escape (only \u and \U).
func unescape(s string, unicode bool) (any, error) {
	bad := fmt.Errorf("%w: bad escape in a string", ErrFormat)
	var out strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			i = len(s)
		}
		if unicode {
			for _, c := range []byte(s[:i]) {
				out.WriteRune(rune(c)) // Latin-1
			}
		} else {
			out.WriteString(s[:i])
		}
		if s = s[i:]; s == "" {
			break
		}
		if len(s) < 2 {
			if unicode {
				out.WriteByte('\\')
				break
			}
			return nil, bad
		}
		c, digits := s[1], 0
		switch {
		case c == 'x' && !unicode:
			digits = 2
		case c == 'u' && unicode:
			digits = 4
		case c == 'U' && unicode:
			digits = 8
		}
		if digits > 0 {
			if len(s) < 2+digits {
				return nil, bad
			}
			n, err := strconv.ParseUint(s[2:2+digits], 16, 32)
			if err != nil {
				return nil, bad
			}
			if unicode {
				out.WriteRune(rune(n))
			} else {
				out.WriteByte(byte(n))
			}
			s = s[2+digits:]
			continue
		}
		if unicode {
			out.WriteByte('\\')
			s = s[1:]
			continue
		}
		plain, ok := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '\\': '\\', '\'': '\'', '"': '"', '0': 0}[c]
		if !ok {
			return nil, bad
		}
		out.WriteByte(plain)
		s = s[2:]
	}
	return out.String(), nil
}
