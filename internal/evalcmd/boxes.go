package evalcmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/region"
)

// annotations are the true boxes of named objects, as COCO's instances_*.json has them; segmentations are not read.
type annotations struct {
	Images []struct {
		ID     json.Number `json:"id"`
		File   string      `json:"file_name"`
		Width  float64     `json:"width"`
		Height float64     `json:"height"`
	} `json:"images"`
	Objects []struct {
		Image    json.Number `json:"image_id"`
		Category json.Number `json:"category_id"`
		Box      []float64   `json:"bbox"` // x, y, width, height in pixels
		Crowd    int         `json:"iscrowd"`
	} `json:"annotations"`
	Categories []struct {
		ID   json.Number `json:"id"`
		Name string      `json:"name"`
	} `json:"categories"`
}

// maxAnnotations bounds such a file: COCO's largest has half a gigabyte.
const maxAnnotations = 2 << 30

// boxesOf are the objects of images, by the photo's base name, then by their class.
type boxesOf map[string]map[string][]region.Box

func readBoxes(file string) (boxesOf, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := parseBoxes(io.LimitReader(f, maxAnnotations))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w (want COCO's instances: images, annotations and categories)", errData, file, err)
	}
	return out, nil
}

func parseBoxes(r io.Reader) (boxesOf, error) {
	var a annotations
	if err := json.NewDecoder(r).Decode(&a); err != nil {
		return nil, err
	}
	if len(a.Images) == 0 || len(a.Objects) == 0 || len(a.Categories) == 0 {
		return nil, fmt.Errorf("%d images, %d annotations and %d categories", len(a.Images), len(a.Objects), len(a.Categories))
	}
	names, images := map[json.Number]string{}, map[json.Number]int{}
	for _, c := range a.Categories {
		names[c.ID] = strings.ToLower(c.Name)
	}
	for i, x := range a.Images {
		if x.File == "" || !(x.Width > 0 && x.Height > 0) {
			return nil, fmt.Errorf("image %d (%q) has no name or no size", i, x.File)
		}
		images[x.ID] = i
	}
	out := boxesOf{}
	for k, o := range a.Objects {
		i, ok := images[o.Image]
		name := names[o.Category]
		switch {
		case !ok || name == "":
			return nil, fmt.Errorf("annotation %d is of image %s and category %s, which are not in the file", k, o.Image, o.Category)
		case len(o.Box) != 4 || !(o.Box[2] >= 0 && o.Box[3] >= 0):
			return nil, fmt.Errorf("annotation %d has the box %v", k, o.Box)
		case o.Crowd != 0:
			continue
		}
		x, b := a.Images[i], o.Box
		file := path.Base(x.File)
		if out[file] == nil {
			out[file] = map[string][]region.Box{}
		}
		box := region.Box{float32(b[0] / x.Width), float32(b[1] / x.Height), float32((b[0] + b[2]) / x.Width), float32((b[1] + b[3]) / x.Height)}
		out[file][name] = append(out[file][name], box)
	}
	return out, nil
}

// people are words for COCO's person, which captions hardly ever call one.
const people = "man|men|woman|women|boy|girl|child|children|people|lady|guy|player"

// mention finds the words of captions that name an object of their image, in the singular or plural.
func (b boxesOf) mention(d *data) {
	patterns := map[string]*regexp.Regexp{}
	pattern := func(name string) *regexp.Regexp {
		if patterns[name] == nil {
			words := regexp.QuoteMeta(name)
			if name == "person" {
				words += "|" + people
			}
			patterns[name] = regexp.MustCompile(`(?i)\b(?:` + words + `)(?:s|es)?\b`)
		}
		return patterns[name]
	}
	d.mentions = make([][]mention, len(d.captions))
	for c, text := range d.texts {
		objects := b[path.Base(d.images[d.owner[c]])]
		for name, boxes := range objects {
			for _, at := range pattern(name).FindAllStringIndex(text, -1) {
				d.mentions[c] = append(d.mentions[c], mention{at[0], at[1], boxes})
			}
		}
		slices.SortFunc(d.mentions[c], func(a, b mention) int { return a.start - b.start })
	}
}
