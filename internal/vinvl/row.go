package vinvl

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/aladin-go/aladin/internal/region"
)

const (
	// maxBoxes is more than any detector gives for one picture.
	maxBoxes = 1 << 16
	// maxJSON bounds the JSON of one picture; ten thousand objects take 2 MB.
	maxJSON = 16 << 20
)

// An Object is one detection.
type Object struct {
	Class string     `json:"class"`
	Rect  [4]float32 `json:"rect"` // x1, y1, x2, y2 in pixels
	Conf  float64    `json:"conf"`
}

// Objects is what a detector found in one picture.
type Objects struct {
	ID            string
	Width, Height float64 // of the picture, in pixels
	Objects       []Object
}

// Classes are the class names in the order of the file, repeats included.
func (o *Objects) Classes() []string {
	names := make([]string, len(o.Objects))
	for i := range o.Objects {
		names[i] = o.Objects[i].Class
	}
	return names
}

// box is an object's rectangle in fractions of the picture, within it.
func (o *Objects) box(i int) region.Box {
	r := o.Objects[i].Rect
	w, h := float32(o.Width), float32(o.Height)
	return region.Box{unit(r[0] / w), unit(r[1] / h), unit(r[2] / w), unit(r[3] / h)}
}

func unit(v float32) float32 { return max(0, min(1, v)) }

// parseObjects reads the JSON of predictions.tsv in either form.
func parseObjects(text []byte) (*Objects, error) {
	text = bytes.TrimSpace(text)
	if len(text) > maxJSON {
		return nil, fmt.Errorf("detections: %d MB of JSON", len(text)>>20)
	}
	var form struct {
		Height  *float64          `json:"image_h"`
		Width   *float64          `json:"image_w"`
		Boxes   *int              `json:"num_boxes"`
		Objects []json.RawMessage `json:"objects"`
	}
	o := &Objects{Width: 800, Height: 600} // what the original assumes for a bare list
	if len(text) > 0 && text[0] == '[' {
		if err := json.Unmarshal(text, &form.Objects); err != nil {
			return nil, fmt.Errorf("detections: %w", err)
		}
	} else {
		if err := json.Unmarshal(text, &form); err != nil {
			return nil, fmt.Errorf("detections: %w", err)
		}
		if form.Height == nil || form.Width == nil || form.Objects == nil {
			return nil, fmt.Errorf("detections: image_h, image_w or objects is missing")
		}
		o.Width, o.Height = *form.Width, *form.Height
		if !(o.Width > 0 && o.Width < 1<<20 && o.Height > 0 && o.Height < 1<<20) {
			return nil, fmt.Errorf("detections: a picture of %g × %g", o.Width, o.Height)
		}
		if form.Boxes != nil && *form.Boxes != len(form.Objects) {
			return nil, fmt.Errorf("detections: num_boxes says %d, and there are %d objects", *form.Boxes, len(form.Objects))
		}
	}
	o.Objects = make([]Object, len(form.Objects))
	for i, raw := range form.Objects {
		var d struct {
			Class *string   `json:"class"`
			Rect  []float32 `json:"rect"`
			Conf  float64   `json:"conf"`
		}
		if err := json.Unmarshal(raw, &d); err != nil {
			return nil, fmt.Errorf("detections: object %d: %w", i, err)
		}
		if d.Class == nil {
			return nil, fmt.Errorf("detections: object %d has no class", i)
		}
		if d.Rect != nil && len(d.Rect) != 4 {
			return nil, fmt.Errorf("detections: object %d: rect of %d numbers", i, len(d.Rect))
		}
		o.Objects[i] = Object{Class: *d.Class, Conf: d.Conf}
		copy(o.Objects[i].Rect[:], d.Rect)
	}
	return o, nil
}

// A table is the feature rows of one picture.
type table struct {
	rows, dim int
	data      []float32
}

// parseFeatures reads a row of features.tsv. It may use line as scratch space.
func parseFeatures(line []byte) (id string, t table, err error) {
	first, rest, _ := bytes.Cut(line, []byte{'\t'})
	id = string(bytes.TrimSpace(first))
	second, rest, ok := bytes.Cut(rest, []byte{'\t'})
	if !ok {
		return id, t, fmt.Errorf("fewer than 3 columns; id, number of boxes and features are needed")
	}
	count := string(bytes.TrimSpace(second))
	if t.rows, err = strconv.Atoi(count); err != nil || t.rows < 0 || t.rows > maxBoxes {
		return id, table{}, fmt.Errorf("number of boxes is %s", clip(count))
	}
	err = t.decode(rest[bytes.LastIndexByte(rest, '\t')+1:])
	return id, t, err
}

// decode fills the table from base64 of little-endian float32, overwriting text.
func (t *table) decode(text []byte) error {
	text = bytes.TrimSpace(text)
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return fmt.Errorf("features: %w", err)
	}
	raw := text[:n]
	switch {
	case n%4 != 0:
		return fmt.Errorf("features: %d bytes are no float32 numbers", n)
	case t.rows == 0 && n > 0, t.rows > 0 && (n == 0 || n/4%t.rows != 0):
		return fmt.Errorf("features: %d numbers do not make %d rows", n/4, t.rows)
	case t.rows == 0:
		return nil
	}
	t.dim = n / 4 / t.rows
	t.data = make([]float32, n/4)
	for i := range t.data {
		t.data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

func (t *table) row(i int) []float32 { return t.data[i*t.dim : (i+1)*t.dim] }

// boxNumbers is how many of a region's features tell its place: x1, y1, x2, y2, height, width.
const boxNumbers = 6

// boxes reads the place of every region from its last six numbers.
func (t *table) boxes() []region.Box {
	boxes := make([]region.Box, t.rows)
	for i := range boxes {
		r := t.row(i)[t.dim-boxNumbers:]
		boxes[i] = region.Box{unit(r[0]), unit(r[1]), unit(r[2]), unit(r[3])}
	}
	return boxes
}
