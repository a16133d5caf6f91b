package source

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Kinds of captions files.
const (
	aTable = iota
	jsonLines
	jsonWhole
)

// maxJSON bounds a file that is one JSON value, which is read as a whole: COCO's is 90 MB.
const maxJSON = 1 << 30

// captionsKind looks at how a file begins.
func captionsKind(file string) (int, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(decoded(f), maxLine)
	head, err := r.Peek(maxLine)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	text := strings.TrimLeft(string(head), "\ufeff \t\r\n")
	if text == "" || !isJSON(file, text[0]) {
		return aTable, nil
	}
	line, _, _ := strings.Cut(text, "\n")
	var one jsonCaption
	if text[0] == '{' && json.Unmarshal([]byte(line), &one) == nil && one.Images == nil && one.Annotations == nil {
		return jsonLines, nil
	}
	return jsonWhole, nil
}

// jsonCaption is a line of JSON lines, an element of an array of such, or the whole of COCO's captions.
type jsonCaption struct {
	Photo    string   `json:"photo"`
	Image    string   `json:"image"`
	FileName string   `json:"file_name"`
	Filename string   `json:"filename"`
	File     string   `json:"file"`
	ID       any      `json:"id"`
	Caption  string   `json:"caption"`
	Text     string   `json:"text"`
	Captions []string `json:"captions"`

	Images      []cocoImage      `json:"images"`
	Annotations []cocoAnnotation `json:"annotations"`
}

type cocoImage struct {
	ID        json.Number `json:"id"`
	FileName  string      `json:"file_name"`
	Filename  string      `json:"filename"`
	Sentences []struct {
		Raw string `json:"raw"`
	} `json:"sentences"` // of the splits by Karpathy
}

type cocoAnnotation struct {
	Image   json.Number `json:"image_id"`
	Caption string      `json:"caption"`
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

var errNoPhotoNamed = errors.New(`it names no photo ("image", "file_name", "photo" or "id")`)

// addJSON adds the captions of an object.
func (c *captioner) addJSON(ctx context.Context, at string, o *jsonCaption) error {
	id, _ := o.ID.(string)
	photo := firstOf(o.Photo, o.Image, o.FileName, o.Filename, o.File, id)
	if photo == "" {
		c.skip(at, errNoPhotoNamed)
		return nil
	}
	captions := o.Captions
	if len(captions) == 0 {
		captions = []string{firstOf(o.Caption, o.Text)}
	}
	for n, caption := range captions {
		if err := c.add(ctx, at, photo, n, caption); err != nil {
			return err
		}
	}
	return nil
}

func (c *captioner) readJSONLines(ctx context.Context) error {
	var failed error
	err := Lines(ctx, c.file, func(line int, text string, err error) {
		if failed != nil {
			return
		}
		var o jsonCaption
		if err == nil {
			err = json.Unmarshal([]byte(text), &o)
		}
		if err != nil {
			c.skip(strconv.Itoa(line), err)
			return
		}
		failed = c.addJSON(ctx, strconv.Itoa(line), &o)
	})
	return errors.Join(err, failed)
}

// readJSON reads a file that is one value.
func (c *captioner) readJSON(ctx context.Context) error {
	f, err := os.Open(c.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > maxJSON {
		return errors.Join(err, fmt.Errorf("%s is larger than %d bytes", c.file, maxJSON))
	}
	r := bufio.NewReader(decoded(f))
	if b, _ := r.Peek(3); string(b) == "\ufeff" {
		_, _ = r.Discard(3)
	}
	d := json.NewDecoder(r)
	var whole json.RawMessage
	if err := d.Decode(&whole); err != nil {
		return fmt.Errorf("%s: byte %d: no JSON: %w", c.file, d.InputOffset(), err)
	}
	if whole[0] == '[' {
		var all []jsonCaption
		if err := json.Unmarshal(whole, &all); err != nil {
			return fmt.Errorf("%s: want objects with \"image\" and \"caption\": %w", c.file, err)
		}
		for i := range all {
			if err := c.addJSON(ctx, strconv.Itoa(i+1), &all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	var coco jsonCaption
	if err := json.Unmarshal(whole, &coco); err != nil {
		return fmt.Errorf("%s: want COCO's captions: %w", c.file, err)
	}
	return c.addCOCO(ctx, &coco)
}

func (c *captioner) addCOCO(ctx context.Context, coco *jsonCaption) error {
	names := make(map[json.Number]string, len(coco.Images))
	for _, img := range coco.Images {
		name := firstOf(img.FileName, img.Filename)
		names[img.ID] = name
		for n, s := range img.Sentences {
			if err := c.add(ctx, "image "+name, name, n, s.Raw); err != nil {
				return err
			}
		}
	}
	numbers := map[json.Number]int{}
	for i, a := range coco.Annotations {
		at := fmt.Sprintf("annotation %d", i+1)
		name := names[a.Image]
		if name == "" {
			c.skip(at, fmt.Errorf("there is no image %q", a.Image))
			continue
		}
		if err := c.add(ctx, at, name, numbers[a.Image], a.Caption); err != nil {
			return err
		}
		numbers[a.Image]++
	}
	return nil
}
