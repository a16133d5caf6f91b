package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/vinvl"
)

// featureOrigin is features in VinVL's layout.
type featureOrigin struct{ data *vinvl.Dataset }

func (o *featureOrigin) open(*Item, *picture.Options) (*picture.File, error) {
	return nil, ErrNoPixels
}
func (o *featureOrigin) dim() int     { return o.data.Dim() }
func (o *featureOrigin) close() error { return o.data.Close() }

func (o *featureOrigin) set(item *Item) (*region.Set, error) {
	img, err := o.data.Image(item.ID)
	if err != nil {
		return nil, err
	}
	return img.Set, nil
}

// badRow says whether an error concerns one picture only.
func badRow(err error) bool {
	return errors.Is(err, vinvl.ErrRow) || errors.Is(err, vinvl.ErrMissing) || errors.Is(err, vinvl.ErrNoRegions)
}

func (f *Flags) openFeatures(ctx context.Context, o *Options) (_ *Source, err error) {
	detection, err := vinvl.ParseDetection(o.Detection)
	if err != nil {
		return nil, err
	}
	s := &Source{Name: filepath.Base(filepath.Clean(f.Features))}
	var captions *vinvl.CaptionSet
	if f.CocoIR != "" {
		split := o.Split
		if split == "val" && f.Split == "" {
			split = "minival" // what the released code validates on
		}
		if captions, err = vinvl.Split(f.CocoIR, split, f.Keys); err != nil {
			return nil, err
		}
		s.Name += " " + split
		if f.Keys != "" {
			s.Name += " (" + f.Keys + ")"
		}
	}
	data, err := vinvl.Open(ctx, f.Features, &vinvl.Options{Detection: detection, MaxRegions: o.MaxRegions, Dim: o.Dim})
	if err != nil {
		return nil, err
	}
	s.origin = &featureOrigin{data}
	if captions == nil {
		for _, id := range data.IDs() {
			s.Items = append(s.Items, Item{ID: id})
		}
	} else {
		s.addFeatures(data, captions)
	}
	if len(s.Items) == 0 {
		return nil, errors.Join(empty("no pictures in "+f.Features, s.Skipped), data.Close())
	}
	return s, nil
}

// addFeatures adds the pictures that have captions.
func (s *Source) addFeatures(data *vinvl.Dataset, captions *vinvl.CaptionSet) {
	for _, id := range captions.IDs {
		if !data.Has(id) {
			s.Skipped = append(s.Skipped, Skip{What: "features", ID: id, Name: id, Err: vinvl.ErrMissing})
			continue
		}
		i := len(s.Items)
		s.Items = append(s.Items, Item{ID: id})
		for n, text := range captions.ByID[id] {
			name := id + "#" + strconv.Itoa(n)
			if text = strings.TrimSpace(text); text == "" {
				s.Skipped = append(s.Skipped, Skip{What: "caption", Name: name, Err: fmt.Errorf("%w of %q", errNoCaption, id)})
				continue
			}
			s.Captions = append(s.Captions, Caption{ID: name, Image: i, Text: text})
		}
	}
}
