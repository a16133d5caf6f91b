package models

import (
	"encoding/json"
	"fmt"

	"github.com/aladin-go/aladin/internal/pixels"
)

// OpenAI's means and spreads, which most models of the family were trained with, and the plain ones of SigLIP.
var (
	clipMean, clipStd = [3]float64{0.48145466, 0.4578275, 0.40821073}, [3]float64{0.26862954, 0.26130258, 0.27577711}
	half              = [3]float64{0.5, 0.5, 0.5}
)

// hfPreprocess is preprocessor_config.json.
type hfPreprocess struct {
	Size      json.RawMessage `json:"size"`
	CropSize  json.RawMessage `json:"crop_size"`
	Resize    *bool           `json:"do_resize"`
	Crop      *bool           `json:"do_center_crop"`
	Rescale   *bool           `json:"do_rescale"`
	Factor    *float64        `json:"rescale_factor"`
	Normalise *bool           `json:"do_normalize"`
	Mean      []float64       `json:"image_mean"`
	Std       []float64       `json:"image_std"`
	Resample  *int            `json:"resample"`
	Pad       *bool           `json:"do_pad"`
	Type      string          `json:"image_processor_type"`
	OldType   string          `json:"feature_extractor_type"`
}

// A side is a size as a number or an object.
type side struct {
	Height   int `json:"height"`
	Width    int `json:"width"`
	Shortest int `json:"shortest_edge"`
}

func readSide(raw json.RawMessage) (s side, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return s, nil
	}
	var n int
	if json.Unmarshal(raw, &n) == nil {
		return side{Shortest: n}, nil
	}
	var pair []int
	if json.Unmarshal(raw, &pair) == nil {
		if len(pair) == 2 {
			return side{Height: pair[0], Width: pair[1]}, nil
		}
		return s, fmt.Errorf("%w: size %s", ErrConfig, raw)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("%w: size %s: %w", ErrConfig, raw, err)
	}
	return s, nil
}

// pillowFilters are the numbers of Pillow's filters.
var pillowFilters = map[int]string{2: pixels.Bilinear, 3: pixels.Bicubic}

// hfPixels reads preprocessor_config.json for an image tower of the given input.
func hfPixels(path string, input [2]int, family Family) (*pixels.Config, error) {
	var p hfPreprocess
	if err := readJSON(path, &p); err != nil {
		return nil, err
	}
	bad := func(format string, args ...any) (*pixels.Config, error) {
		return nil, fmt.Errorf("%w: %s: %s", ErrConfig, path, fmt.Sprintf(format, args...))
	}
	yes := func(b *bool, otherwise bool) bool {
		if b == nil {
			return otherwise
		}
		return *b
	}
	c := &pixels.Config{Size: input, Filter: pixels.Bicubic, Rounding: pixels.Down, Mean: clipMean, Std: clipStd}
	if family == SigLIP {
		c.Mean, c.Std = half, half
	}
	size, err := readSide(p.Size)
	if err != nil {
		return bad("%v", err)
	}
	crop, err := readSide(p.CropSize)
	if err != nil {
		return bad("%v", err)
	}
	switch {
	case !yes(p.Resize, true):
		return bad("do_resize is false: pictures would come in any size")
	case yes(p.Pad, false):
		return bad("do_pad is not supported")
	case !yes(p.Normalise, true):
		c.Mean, c.Std = [3]float64{}, [3]float64{1, 1, 1}
	}
	cut := yes(p.Crop, family == CLIP)
	switch {
	case cut:
		if crop.Shortest > 0 {
			crop.Height, crop.Width = crop.Shortest, crop.Shortest
		}
		if crop.Height > 0 && [2]int{crop.Height, crop.Width} != input {
			return bad("crops of %d×%d for a tower that reads %d×%d", crop.Height, crop.Width, input[0], input[1])
		}
		if c.Shortest = size.Shortest; c.Shortest == 0 {
			if size.Height != size.Width {
				return bad("a crop after resizing to %d×%d is not supported", size.Height, size.Width)
			}
			c.Shortest = size.Height // HF: a square of this size, which is squashed before it is cut
			if c.Shortest == input[0] && input[0] == input[1] {
				c.Shortest = 0 // nothing is left to cut
			} else if c.Shortest > 0 {
				return bad("a crop after squashing to %d×%d is not supported", size.Height, size.Width)
			} else {
				c.Shortest = min(input[0], input[1])
			}
		}
		if c.Shortest > 0 && c.Shortest < max(input[0], input[1]) {
			return bad("the shortest edge becomes %d, which is less than the tower's %d×%d", c.Shortest, input[0], input[1])
		}
	case size.Height > 0 && [2]int{size.Height, size.Width} != input:
		return bad("pictures of %d×%d for a tower that reads %d×%d", size.Height, size.Width, input[0], input[1])
	}
	if p.Resample != nil {
		var ok bool
		if c.Filter, ok = pillowFilters[*p.Resample]; !ok {
			return bad("resample %d is no filter that is supported (2: bilinear, 3: bicubic)", *p.Resample)
		}
	}
	if p.Normalise == nil || *p.Normalise {
		for _, x := range []struct {
			from []float64
			to   *[3]float64
		}{{p.Mean, &c.Mean}, {p.Std, &c.Std}} {
			if x.from == nil {
				continue
			}
			if len(x.from) != 3 {
				return bad("a mean or spread of %d colours", len(x.from))
			}
			copy(x.to[:], x.from)
		}
	}
	factor := 1.0 / 255
	if !yes(p.Rescale, true) {
		factor = 1
	} else if p.Factor != nil {
		factor = *p.Factor
	}
	if k := factor * 255; k != 1 { // values 0…255·factor: the same as other means and spreads of values 0…1
		if !(k > 1e-6 && k < 1e6) {
			return bad("rescale_factor %v", factor)
		}
		if k < 1-1e-9 || k > 1+1e-9 {
			for i := range 3 {
				c.Mean[i], c.Std[i] = c.Mean[i]/k, c.Std[i]/k
			}
		}
	}
	if err := c.Check(); err != nil {
		return bad("%v", err)
	}
	return c, nil
}
