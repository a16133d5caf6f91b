package picture

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
)

// An input is the bytes of a file. Only what is needed of them is in memory at a time.
type input struct {
	io.ReaderAt
	size int64
}

// newInput takes a file where it lies, and other readers into memory.
func newInput(r io.Reader, most int64) (*input, error) {
	switch r := r.(type) {
	case interface {
		io.ReaderAt
		Size() int64
	}: // bytes.Reader, strings.Reader, io.SectionReader
		return checkSize(&input{r, r.Size()}, most)
	case interface {
		io.ReaderAt
		Stat() (fs.FileInfo, error)
	}: // files
		info, err := r.Stat()
		if err != nil {
			return nil, fmt.Errorf("picture: %w", err)
		}
		return checkSize(&input{r, info.Size()}, most)
	}
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return checkSize(&input{bytes.NewReader(data), int64(len(data))}, most)
}

func checkSize(in *input, most int64) (*input, error) {
	if in.size > most {
		return nil, fail(ErrTooLarge, "file of more than %d bytes", most)
	}
	if in.size == 0 {
		return nil, fail(ErrTruncated, "the file is empty")
	}
	return in, nil
}

// head is the first n bytes, or as many as there are.
func (in *input) head(n int) ([]byte, error) { return in.part(0, min(int64(n), in.size)) }

// part is n bytes from an offset, nil where the file has not so many. Callers bound n.
func (in *input) part(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > in.size-n {
		return nil, nil
	}
	b := make([]byte, n)
	k, err := in.ReadAt(b, at)
	if int64(k) == n {
		return b, nil
	}
	if err == io.EOF || err == nil { // the file became shorter
		return nil, nil
	}
	return nil, fmt.Errorf("picture: %w", err)
}

// reader reads the whole file as long as ctx lasts.
func (in *input) reader(ctx context.Context) *reader {
	return &reader{ctx: ctx, r: io.NewSectionReader(in, 0, in.size)}
}

// A reader ends with its context. It remembers whether more was wanted than there is, and the error that is
// not the data's fault. It has no ReadByte on purpose: the decoders then buffer for themselves.
type reader struct {
	ctx     context.Context
	r       io.Reader
	overrun bool
	failed  error
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		r.failed = err
		return 0, err
	}
	n, err := r.r.Read(p)
	switch {
	case err == io.EOF && n == 0:
		r.overrun = true
	case err != nil && err != io.EOF:
		r.failed = fmt.Errorf("picture: %w", err)
	}
	return n, err
}
