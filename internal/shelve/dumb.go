package shelve

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// dumbLine is a line of NAME.dir: the key as Python prints it, and where its value lies in NAME.dat.
var dumbLine = regexp.MustCompile(`^(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"), \((\d+), (\d+)\)$`)

// readDumb lists the entries of NAME.dir, for a NAME.dat of size bytes.
func readDumb(text []byte, size int) ([]entry, error) {
	var entries []entry
	held := 0
	for n, line := range bytes.Split(bytes.TrimRight(text, "\r\n"), []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		if len(text) == 0 {
			break
		}
		m := dumbLine.FindSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%w: line %d: %.60q", ErrFormat, n+1, line)
		}
		from, err1 := strconv.Atoi(string(m[3]))
		length, err2 := strconv.Atoi(string(m[4]))
		if err1 != nil || err2 != nil || from > size || length > size-from {
			return nil, fmt.Errorf("%w: line %d: a value outside the %d bytes of data", ErrFormat, n+1, size)
		}
		if held += length; held > size {
			return nil, fmt.Errorf("%w: line %d: values overlap", ErrFormat, n+1)
		}
		key := unescape(append(m[1], m[2]...))
		entries = append(entries, entry{key, from, from + length})
	}
	return entries, nil
}

var escapes = regexp.MustCompile(`\\(x[0-9a-fA-F]{2}|.)`)

func unescape(text []byte) string {
	return string(escapes.ReplaceAllFunc(text, func(e []byte) []byte {
		switch e[1] {
		case 'x':
			if n, err := strconv.ParseUint(string(e[2:]), 16, 8); err == nil {
				return []byte{byte(n)}
			}
		case 'n':
			return []byte{'\n'}
		case 't':
			return []byte{'\t'}
		case 'r':
			return []byte{'\r'}
		}
		return e[1:]
	}))
}
