package aladin

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// An Input is something that a model can encode. Make one with Text, ImageFile, ImageBytes, Image, ImageFunc,
// Regions or RegionsFunc.
type Input struct {
	kind inputKind
	text string // of a text; path of a file; name of what a function loads
	open func(*picture.Options) (*picture.File, error)
	set  func() (*RegionSet, error)
}

type inputKind uint8

const (
	noInput inputKind = iota
	textInput
	pictureInput
	regionInput
)

// Text is a caption or a query.
func Text(s string) Input { return Input{kind: textInput, text: s} }

// ImageFile is a photo on disk: JPEG, PNG, GIF or WebP. It is read when it is encoded.
func ImageFile(path string) Input {
	return Input{kind: pictureInput, text: path, open: func(o *picture.Options) (*picture.File, error) { return picture.OpenFile(path, o) }}
}

// ImageBytes is a photo as the bytes of its file. name stands for it in errors.
func ImageBytes(name string, data []byte) Input {
	return Input{kind: pictureInput, text: name, open: func(o *picture.Options) (*picture.File, error) { return picture.Open(bytes.NewReader(data), o) }}
}

// Image is a picture in memory, upright.
func Image(img image.Image) Input {
	return ImageFunc("picture", func() (image.Image, error) { return img, nil })
}

// ImageFunc is a picture that load gives when it is encoded, perhaps on another goroutine. name stands for
// it in errors.
func ImageFunc(name string, load func() (image.Image, error)) Input {
	return Input{kind: pictureInput, text: name, open: func(*picture.Options) (*picture.File, error) {
		img, err := load()
		if err != nil {
			return nil, err
		}
		return picture.OpenImage(img)
	}}
}

// Regions are what another program detected in a picture. The set must not be changed while it is encoded.
func Regions(r *RegionSet) Input {
	return RegionsFunc("regions", func() (*RegionSet, error) { return r, nil })
}

// RegionsFunc are regions that load gives when they are encoded, perhaps on another goroutine. name stands
// for them in errors.
func RegionsFunc(name string, load func() (*RegionSet, error)) Input {
	return Input{kind: regionInput, text: name, set: load}
}

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

var (
	errNoInput   = errors.New("there is no input")
	errNotFinite = errors.New("the model gives no finite vector for it")
)

// name says in an error which input it was.
func (in *Input) name() string {
	switch in.kind {
	case textInput:
		return fmt.Sprintf("text %.40q", in.text)
	case noInput:
		return "nothing (a zero Input)"
	}
	return in.text
}

// maxText bounds a text, as an index does.
const maxText = 1 << 20

// checkText makes a text valid UTF-8 and refuses what cannot be meant.
func checkText(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errors.New("the text is empty")
	}
	if len(s) > maxText {
		return "", fmt.Errorf("the text has %d bytes, at most %d are read", len(s), maxText)
	}
	return strings.ToValidUTF8(s, "\ufffd"), nil
}

// regions loads an input of regions.
func (in *Input) regions() (*region.Set, error) {
	r, err := in.set()
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errNoRegions
	}
	return &region.Set{Features: r.Features, Dim: r.Dim, Labels: r.Labels, Tags: r.Tags, Boxes: r.Boxes}, nil
}
