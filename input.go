package aladin

import (
	"fmt"
	"image"
	"strings"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/vision"
)

// An Input is something that a model can encode. Make one with Text, ImageFile, Image or Regions.
type Input struct {
	kind inputKind
	text string // of a text; path of a file
	img  image.Image
	set  *region.Set
}

type inputKind uint8

const (
	noInput inputKind = iota
	textInput
	fileInput
	imageInput
	regionInput
)

// Text is a caption or a query.
func Text(s string) Input { return Input{kind: textInput, text: s} }

// ImageFile is a photo on disk: JPEG, PNG, GIF or WebP. It is read when it is encoded.
func ImageFile(path string) Input { return Input{kind: fileInput, text: path} }

// Image is a picture in memory, upright.
func Image(img image.Image) Input { return Input{kind: imageInput, img: img} }

// Regions are what another program detected in a picture. The set must not be changed while it is encoded.
func Regions(r *RegionSet) Input { return Input{kind: regionInput, set: r.internal()} }

// A RegionSet is the regions of one picture: for each a row of features, a box and perhaps a name.
type RegionSet struct {
	Features []float32 // one row after the other
	Dim      int       // length of a row: what the model was trained with
	Boxes    []Box     // one a region
	Labels   []string  // names of the regions, "" where there is none; or nil
	// Tags are names of things in the picture as a whole, which the model reads beside the regions. Nil
	// takes the Labels that are not empty.
	Tags []string
}

func (r *RegionSet) internal() *region.Set {
	if r == nil {
		return nil
	}
	s := &region.Set{Features: r.Features, Dim: r.Dim, Labels: r.Labels, Tags: r.Tags, Boxes: make([]region.Box, len(r.Boxes))}
	for i, b := range r.Boxes {
		s.Boxes[i] = region.Box(b)
	}
	return s
}

// name says in an error which input it was.
func (in *Input) name() string {
	switch in.kind {
	case textInput:
		return fmt.Sprintf("text %.40q", in.text)
	case fileInput:
		return in.text
	case imageInput:
		return "picture"
	case regionInput:
		return "regions"
	}
	return "nothing (a zero Input)"
}

// maxText bounds a text, as an index does.
const maxText = 1 << 20

// checkText makes a text valid UTF-8 and refuses what cannot be meant.
func checkText(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", fmt.Errorf("the text is empty")
	}
	if len(s) > maxText {
		return "", fmt.Errorf("the text has %d bytes, at most %d are read", len(s), maxText)
	}
	return strings.ToValidUTF8(s, "\ufffd"), nil
}

// picture decodes an input of pixels.
func (in *Input) picture(limits *vision.Limits) (image.Image, error) {
	if in.kind == fileInput {
		return vision.DecodeFile(in.text, limits)
	}
	if in.img == nil || in.img.Bounds().Empty() {
		return nil, fmt.Errorf("the picture has no pixels")
	}
	return in.img, nil
}
