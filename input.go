package aladin

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
)

// An Input is something that a model can encode: exactly one of Text, File, Data, Image and Regions. [Text], [ImageFile],
// [Image] and [Regions] make one.
type Input struct {
	// Text is a caption or a query.
	Text string
	// File is the path of a photo: JPEG, PNG, GIF or WebP. It is read when it is encoded.
	File string
	// Data is the bytes of such a file.
	Data []byte
	// Image gives an upright picture, and Regions what was detected in one, when they are encoded, perhaps on
	// another goroutine.
	Image   func() (image.Image, error)
	Regions func() (*RegionSet, error)
	// Name stands in errors for Data and for what Image or Regions give.
	Name string
}

// Text is a caption or a query.
func Text(s string) Input { return Input{Text: s} }

// ImageFile is a photo on disk: JPEG, PNG, GIF or WebP. It is read when it is encoded.
func ImageFile(path string) Input { return Input{File: path} }

// Image is a picture in memory, upright.
func Image(img image.Image) Input {
	return Input{Name: "picture", Image: func() (image.Image, error) { return img, nil }}
}

// Regions are what another program detected in a picture. The set must not be changed while it is encoded.
func Regions(r *RegionSet) Input {
	return Input{Name: "regions", Regions: func() (*RegionSet, error) { return r, nil }}
}

// A RegionSet is the regions of one picture: for each a row of features, a box and perhaps a name.
type RegionSet struct {
	Features []float32   // one row after the other
	Dim      int         // length of a row: what the model was trained with
	Boxes    []index.Box // one a region
	Labels   []string    // names of the regions, "" where there is none; or nil
	// Tags are names of things in the picture as a whole, which the model reads beside the regions. Nil
	// takes the Labels that are not empty.
	Tags []string
}

var (
	errNotFinite = errors.New("the model gives no finite vector for it")
)

// is says what kind of input it is.
func (in *Input) is() inputKind {
	switch {
	case in.Regions != nil:
		return regionInput
	case in.Image != nil || in.Data != nil || in.File != "":
		return pictureInput
	}
	return textInput
}

type inputKind uint8

const (
	textInput inputKind = iota
	pictureInput
	regionInput
)

// name says in an error which input it was.
func (in *Input) name() string {
	switch {
	case in.is() == textInput:
		return fmt.Sprintf("text %.40q", in.Text)
	case in.File != "":
		return in.File
	}
	return in.Name
}

// maxText bounds a text, as files of captions do: cutting one into tokens takes some hundred times its bytes.
const maxText = 1 << 16

// checkText makes a text valid UTF-8 and refuses what cannot be meant.
func checkText(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", ErrNoWords
	}
	if len(s) > maxText {
		return "", fmt.Errorf("the text has %d bytes, at most %d are read", len(s), maxText)
	}
	return strings.ToValidUTF8(s, "\ufffd"), nil
}

// open opens an input of pixels.
func (in *Input) open(o *picture.Options) (*picture.File, error) {
	switch {
	case in.Image != nil:
		img, err := in.Image()
		if err != nil {
			return nil, err
		}
		return picture.OpenImage(img, o)
	case in.Data != nil:
		return picture.Open(bytes.NewReader(in.Data), o)
	}
	return picture.OpenFile(in.File, o)
}

// regions loads an input of regions.
func (in *Input) regions() (*region.Set, error) {
	r, err := in.Regions()
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errNoRegions
	}
	return &region.Set{Features: r.Features, Dim: r.Dim, Labels: r.Labels, Tags: r.Tags, Boxes: r.Boxes}, nil
}
