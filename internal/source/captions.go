package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLine bounds a line of a table; a longer one is no caption that anybody wrote.
const maxLine = 1 << 16

var (
	errLong      = fmt.Errorf("longer than %d bytes", maxLine)
	errNotUTF8   = errors.New("not UTF-8; save the file as UTF-8")
	errNoCaption = errors.New("empty caption")
)

// readCaptions reads a captions file and the photos that it names.
func (s *Source) readCaptions(ctx context.Context, dir, file string) error {
	index := map[string]int{} // of items, −1: skipped
	ids := map[string]bool{}
	lost := map[string]int{} // captions of photos that are out
	err := Lines(ctx, file, func(line int, text string, err error) {
		skip := func(err error) {
			s.Skipped = append(s.Skipped, Skip{What: "caption", Name: fmt.Sprintf("%s:%d", file, line), Err: err})
		}
		if err != nil {
			skip(err)
			return
		}
		id, number, caption, err := parseCaption(text)
		if err != nil {
			skip(err)
			return
		}
		i, ok := index[id]
		if !ok {
			i = len(s.Items)
			if !s.addPhoto(dir, id) {
				i = -1
			}
			index[id] = i
		}
		if i < 0 {
			lost[id]++
			return
		}
		name := id + "#" + strconv.Itoa(number)
		for ; ids[name]; number++ { // a file that numbers all its captions 0 loses none
			name = id + "#" + strconv.Itoa(number+1)
		}
		ids[name] = true
		s.Captions = append(s.Captions, Caption{ID: name, Image: i, Text: caption})
	})
	if err != nil {
		return err
	}
	for i, k := range s.Skipped {
		if n := lost[k.ID]; k.ID != "" && n > 0 {
			s.Skipped[i].Err = fmt.Errorf("%w (%d captions in %s)", k.Err, n, file)
		}
	}
	if len(s.Captions) == 0 {
		return empty(fmt.Sprintf("no usable caption in %s for the photos in %s", file, dir), s.Skipped)
	}
	return s.dropBare()
}

// dropBare leaves out items that lost all their captions.
func (s *Source) dropBare() error {
	has := make([]bool, len(s.Items))
	for _, c := range s.Captions {
		has[c.Image] = true
	}
	var bare Skips
	for i, item := range s.Items {
		if !has[i] {
			bare = append(bare, Skip{What: "photo", ID: item.ID, Name: fmt.Sprintf("%q", item.ID), Err: errors.New("none of its captions is usable")})
		}
	}
	if len(bare) > 0 {
		kept := s.Without(bare)
		s.Items, s.Captions = kept.Items, kept.Captions
		s.Skipped = append(s.Skipped, bare...)
	}
	return nil
}

// parseCaption reads a line of a captions file.
func parseCaption(line string) (id string, number int, caption string, err error) {
	parts := strings.Split(line, "\t")
	if len(parts) != 3 {
		return "", 0, "", fmt.Errorf("%d columns, want 3: photo <tab> number <tab> caption", len(parts))
	}
	if id, err = cleanID(parts[0]); err != nil {
		return "", 0, "", err
	}
	if number, err = strconv.Atoi(strings.TrimSpace(parts[1])); err != nil || number < 0 {
		return "", 0, "", fmt.Errorf("%q is no number of a caption", parts[1])
	}
	if caption = strings.TrimSpace(parts[2]); caption == "" {
		return "", 0, "", fmt.Errorf("%w of %q", errNoCaption, id)
	}
	return id, number, caption, nil
}

// Lines calls each for every line of a text file that is not empty, without its end, or with what is wrong
// with it: longer than 64 KiB or not UTF-8. A byte order mark is dropped.
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
	r := bufio.NewReaderSize(f, maxLine)
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
