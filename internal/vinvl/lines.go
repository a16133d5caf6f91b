package vinvl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin/internal/atomicfile"
)

const (
	// maxLine is the longest line that is read; a picture with 1000 boxes of 2054 numbers takes 11 MB.
	maxLine = 256 << 20
	// scanChunk is read at a time when a file has no line index.
	scanChunk = 1 << 20
	// idChunk is read of a line to find its id.
	idChunk = 64
)

var errStale = fmt.Errorf("%w: it is of another file; delete the .lineidx and it is made anew", ErrLineIndex)

// lines is a TSV file with random access by line number. Safe for concurrent use.
type lines struct {
	path    string
	file    *os.File
	offsets []int64 // of every line, and the file's size
}

// openLines opens a TSV file and its .lineidx, or finds the lines by reading the whole file once.
func openLines(ctx context.Context, path string, saveIndex bool) (_ *lines, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vinvl: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("vinvl: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("vinvl: %s is no regular file", path)
	}
	l := &lines{path: path, file: f}
	index := strings.TrimSuffix(path, filepath.Ext(path)) + ".lineidx"
	switch l.offsets, err = readLineIndex(index, st.Size()); {
	case errors.Is(err, os.ErrNotExist):
		if l.offsets, err = findLines(ctx, io.NewSectionReader(f, 0, st.Size()), st.Size()); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if saveIndex {
			err = writeLineIndex(index, l.offsets[:len(l.offsets)-1])
		}
	case err != nil:
	case st.Size() > 0 && len(l.offsets) == 1:
		err = fmt.Errorf("%w: %s is empty; delete it and it is made anew", ErrLineIndex, index)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *lines) Close() error { return l.file.Close() }

// Len is the number of lines.
func (l *lines) Len() int { return len(l.offsets) - 1 }

// fail makes the RowError for line i (from 0; negative for none).
func (l *lines) fail(i int, id string, err error) *RowError {
	return &RowError{File: l.path, Line: i + 1, ID: id, Err: err}
}

// Read reads line i, without its end, into buf, which grows as needed.
func (l *lines) Read(i int, buf []byte) ([]byte, error) {
	if i < 0 || i >= l.Len() {
		return buf[:0], l.fail(i, "", fmt.Errorf("%w: the file has %d lines", ErrLineIndex, l.Len()))
	}
	n := l.offsets[i+1] - l.offsets[i]
	if n > maxLine {
		return buf[:0], l.fail(i, "", fmt.Errorf("line of %d MB, more than the %d MB allowed", n>>20, maxLine>>20))
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if err := l.readAt(i, buf, l.offsets[i]); err != nil {
		return buf[:0], err
	}
	line, ended := bytes.CutSuffix(buf, []byte{'\n'})
	if !ended && i+1 < l.Len() || bytes.IndexByte(line, '\n') >= 0 {
		return buf[:0], l.fail(i, "", errStale)
	}
	return bytes.TrimSuffix(line, []byte{'\r'}), nil
}

// readAt fills buf from the file. Its errors are no RowErrors: the row is not at fault.
func (l *lines) readAt(i int, buf []byte, at int64) error {
	_, err := l.file.ReadAt(buf, at)
	if err == io.EOF {
		err = fmt.Errorf("%w: the file has become shorter while it is read", io.ErrUnexpectedEOF)
	}
	if err != nil {
		return fmt.Errorf("vinvl: %s:%d: %w", l.path, i+1, err)
	}
	return nil
}

// Head reads the first columns of line i without the whole line: at least as far as tab number
// tabs, if there are so many. It may use buf and reads as much as that holds at once.
func (l *lines) Head(i, tabs int, buf []byte) ([]byte, error) {
	start, n := l.offsets[i], l.offsets[i+1]-l.offsets[i]
	for size := int64(max(idChunk, cap(buf))); ; size *= 4 {
		size = min(size, n, maxLine)
		if int64(cap(buf)) < size {
			buf = make([]byte, size)
		}
		buf = buf[:size]
		if err := l.readAt(i, buf, start); err != nil {
			return nil, err
		}
		if end := bytes.IndexByte(buf, '\n'); end >= 0 {
			return bytes.TrimSuffix(buf[:end], []byte{'\r'}), nil
		}
		if size == n || size == maxLine || bytes.Count(buf, []byte{'\t'}) >= tabs {
			return buf, nil
		}
	}
}

// startsLine reports whether line i starts after a line's end, as it does in a file that the line
// index was made for.
func (l *lines) startsLine(i int) (bool, error) {
	if i == 0 {
		return true, nil
	}
	var b [1]byte
	err := l.readAt(i, b[:], l.offsets[i]-1)
	return b[0] == '\n', err
}

// ids maps the first column of every line to its number. A repeated id goes to the later line, as
// in the original; dup is told about it.
func (l *lines) ids(ctx context.Context, dup func(*RowError) error) (map[string]int, error) {
	ids := make(map[string]int, l.Len())
	buf := make([]byte, idChunk)
	for i := range l.Len() {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		head, err := l.Head(i, 1, buf)
		if err != nil {
			return nil, err
		}
		if ok, err := l.startsLine(i); err != nil {
			return nil, err
		} else if !ok {
			return nil, l.fail(i, "", errStale)
		}
		id, _, _ := bytes.Cut(head, []byte{'\t'})
		id = bytes.TrimSpace(id)
		if len(id) == 0 {
			continue // an empty line; a row of a picture without id can never be asked for
		}
		if first, ok := ids[string(id)]; ok {
			if err := dup(l.fail(i, string(id), fmt.Errorf("the image is in line %d already", first+1))); err != nil {
				return nil, err
			}
		}
		ids[string(id)] = i
	}
	return ids, nil
}

// findLines reads a file through and notes where its lines start; the last offset is its size.
func findLines(ctx context.Context, r io.Reader, size int64) ([]int64, error) {
	var offsets []int64
	buf := make([]byte, scanChunk)
	pos, fresh := int64(0), true // fresh: the next byte starts a line
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := r.Read(buf)
		for chunk, at := buf[:n], 0; at < len(chunk); {
			if fresh {
				offsets, fresh = append(offsets, pos+int64(at)), false
			}
			end := bytes.IndexByte(chunk[at:], '\n')
			if end < 0 {
				break
			}
			at, fresh = at+end+1, true
		}
		pos += int64(n)
		if err == io.EOF {
			return append(offsets, size), nil
		}
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", pos, err)
		}
	}
}

// readLineIndex reads offsets, which must rise from 0 and lie within a file of the given size, and
// adds the size as the last one.
func readLineIndex(path string, size int64) ([]int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	offsets, err := parseLineIndex(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; delete it and it is made anew", path, err)
	}
	return offsets, nil
}

func parseLineIndex(r io.Reader, size int64) ([]int64, error) {
	var offsets []int64
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		text := strings.TrimSpace(sc.Text())
		if text == "" {
			continue
		}
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %s is no byte offset", ErrLineIndex, n, clip(text))
		}
		switch last := len(offsets) - 1; {
		case last < 0 && at != 0:
			return nil, fmt.Errorf("%w: line %d: the first line starts at %d", ErrLineIndex, n, at)
		case last >= 0 && at <= offsets[last]:
			return nil, fmt.Errorf("%w: line %d: offset %d does not follow %d", ErrLineIndex, n, at, offsets[last])
		case at >= size:
			return nil, fmt.Errorf("%w: line %d: offset %d in a file of %d bytes", ErrLineIndex, n, at, size)
		}
		offsets = append(offsets, at)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLineIndex, err)
	}
	return append(offsets, size), nil
}

// writeLineIndex writes offsets beside a TSV file, whole or not at all.
func writeLineIndex(path string, offsets []int64) error {
	err := atomicfile.Write(path, func(out io.Writer) error {
		w := bufio.NewWriter(out)
		var digits []byte
		for _, at := range offsets {
			digits = append(strconv.AppendInt(digits[:0], at, 10), '\n')
			if _, err := w.Write(digits); err != nil {
				return err
			}
		}
		return w.Flush()
	})
	if err != nil {
		return fmt.Errorf("vinvl: saving the line index: %w", err)
	}
	return nil
}
