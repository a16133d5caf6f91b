package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// maxLine bounds a line of a table, and a row of several; a longer one is no caption that anybody wrote.
const maxLine = 1 << 16

// maxRowLines is how many lines a row may have.
const maxRowLines = 100

var (
	errLong    = fmt.Errorf("longer than %d bytes", maxLine)
	errNotUTF8 = errors.New("not UTF-8; save the file as UTF-8")
)

// Lines calls each for every line of a text file that is not empty, without its end, or with what is wrong
// with it: longer than 64 KiB or not UTF-8. Files in UTF-16 and with ends of lines of any kind are read; a byte
// order mark is dropped.
func Lines(ctx context.Context, file string, each func(line int, text string, err error)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return LinesOf(ctx, file, f, each)
}

// LinesOf is Lines for a file that is open; its name is for errors.
func LinesOf(ctx context.Context, file string, f io.Reader, each func(line int, text string, err error)) error {
	r := bufio.NewReaderSize(decoded(f), maxLine)
	for line := 1; ; line++ {
		if line%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		b, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s:%d: %w", file, line, err)
		}
		text := strings.TrimRight(string(b), "\r\n")
		if line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		switch {
		case long:
			each(line, "", errLong)
		case text == "":
		case !utf8.ValidString(text):
			each(line, "", errNotUTF8)
		default:
			each(line, text, nil)
		}
		if err == io.EOF {
			return nil
		}
	}
}

// decoded is a text as UTF-8 if a mark says that it is UTF-16, with line feeds where it has carriage returns
// alone.
func decoded(f io.Reader) io.Reader {
	r := bufio.NewReaderSize(f, maxLine)
	head, _ := r.Peek(2)
	if string(head) == "\xff\xfe" || string(head) == "\xfe\xff" {
		r = bufio.NewReaderSize(transform.NewReader(r, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder()), maxLine)
	}
	head, _ = r.Peek(maxLine) // an error comes back when that is read
	if bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0 {
		return &returns{r}
	}
	return r
}

// returns reads carriage returns as line feeds.
type returns struct{ io.Reader }

func (r *returns) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	for i, c := range b[:n] {
		if c == '\r' {
			b[i] = '\n'
		}
	}
	return n, err
}

// Rows calls each for every row of a table, or with what is wrong with it. Cells are apart by tabs, or by commas,
// semicolons or bars if the first line has more of those and no tab. A cell may be quoted as in RFC 4180, and then
// have several lines; one that begins with a quote and is not so is taken as it stands.
func Rows(ctx context.Context, file string, each func(line int, cells []string, err error)) error {
	t := &rows{each: each}
	if strings.EqualFold(filepath.Ext(file), ".tsv") {
		t.delimiter = '\t'
	}
	if err := Lines(ctx, file, t.line); err != nil {
		return err
	}
	t.literal()
	return nil
}

type rows struct {
	delimiter byte
	each      func(line int, cells []string, err error)
	pending   []textLine // of a row with a cell that goes on
}

type textLine struct {
	number int
	text   string
}

func (t *rows) line(number int, text string, err error) {
	if t.delimiter == 0 {
		t.delimiter = delimiterOf(text)
	}
	if err != nil {
		t.literal()
		t.each(number, nil, err)
		return
	}
	t.pending = append(t.pending, textLine{number, text})
	size := 0
	var joined []string
	for _, l := range t.pending {
		size += len(l.text) + 1
		joined = append(joined, l.text)
	}
	cells, open := split(strings.Join(joined, "\n"), t.delimiter)
	switch {
	case !open:
		first := t.pending[0].number
		t.pending = nil
		t.each(first, cells, nil)
	case len(t.pending) >= maxRowLines || size > maxLine:
		t.literal()
	}
}

// literal gives up waiting for the end of a quoted cell: its first line is a row as it stands, and what follows
// is looked at anew.
func (t *rows) literal() {
	for len(t.pending) > 0 {
		first, rest := t.pending[0], t.pending[1:]
		t.pending = nil
		t.each(first.number, strings.Split(first.text, string(t.delimiter)), nil)
		for _, l := range rest {
			t.line(l.number, l.text, nil)
		}
	}
}

// delimiterOf is what sets cells apart in a line.
func delimiterOf(line string) byte {
	if strings.Contains(line, "\t") {
		return '\t'
	}
	best := byte('\t')
	for _, c := range []byte(",;|") {
		if strings.Count(line, string(c)) > strings.Count(line, string(best)) {
			best = c
		}
	}
	return best
}

// split parts a row into cells; open says that it ends within a quoted one.
func split(row string, delimiter byte) (cells []string, open bool) {
	for {
		var cell string
		quoted, rest, end := unquote(row, delimiter)
		switch {
		case end == inside:
			return nil, true
		case end == closed:
			cell, row = quoted, rest
		default:
			i := strings.IndexByte(row, delimiter)
			if i < 0 {
				return append(cells, row), false
			}
			cell, row = row[:i], row[i:]
		}
		cells = append(cells, cell)
		if row == "" {
			return cells, false
		}
		row = row[1:]
	}
}

const (
	plainCell = iota
	closed
	inside
)

// unquote reads a quoted cell up to the delimiter behind it, or the end.
func unquote(row string, delimiter byte) (cell, rest string, end int) {
	if !strings.HasPrefix(row, `"`) {
		return "", row, plainCell
	}
	var b strings.Builder
	for s := row[1:]; ; {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return "", row, inside
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		switch {
		case s == "" || s[0] == delimiter:
			return b.String(), s, closed
		case s[0] == '"':
			b.WriteByte('"')
			s = s[1:]
		default:
			return "", row, plainCell // quotes that mean nothing
		}
	}
}

// columns are the places of what a table holds; −1: it does not.
type columns struct{ photo, number, text int }

// Names that columns go by.
var (
	photoNames  = []string{"photo", "image", "image_name", "image name", "image_id", "file", "filename", "file_name", "file name", "path", "filepath", "id", "name", "img"}
	numberNames = []string{"number", "n", "no", "nr", "#", "index", "caption_number", "comment_number", "caption_id", "sent_id"}
	textNames   = []string{"caption", "captions", "text", "description", "comment", "sentence", "tag", "tags", "keyword", "label"}
)

// header finds the columns by a row of names; ok is false for a row that is none.
func header(cells []string) (c columns, ok bool) {
	find := func(names []string) int {
		return slices.IndexFunc(cells, func(cell string) bool {
			return slices.Contains(names, strings.ToLower(strings.TrimSpace(cell)))
		})
	}
	c = columns{find(photoNames), find(numberNames), find(textNames)}
	return c, c.photo >= 0 && c.text >= 0
}

// A Pair is an id and what a table says of it.
type Pair struct{ ID, Text string }

// Pairs reads a table of two columns: id and, say, tag. A first row of names may tell which they are.
func Pairs(ctx context.Context, file string, each func(line int, p Pair, err error)) error {
	at := columns{photo: 0, text: 1}
	first, named := true, false
	return Rows(ctx, file, func(line int, cells []string, err error) {
		if err == nil && first {
			first = false
			if c, ok := header(cells); ok {
				at, named = c, true
				return
			}
		}
		switch {
		case err != nil:
		case !named && len(cells) != 2, max(at.photo, at.text) >= len(cells):
			err = fmt.Errorf("%d columns, want 2", len(cells))
		case cells[at.photo] == "" || strings.TrimSpace(cells[at.text]) == "":
			err = errors.New("an empty cell")
		default:
			each(line, Pair{cells[at.photo], strings.TrimSpace(cells[at.text])}, nil)
			return
		}
		each(line, Pair{}, err)
	})
}
