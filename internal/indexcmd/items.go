package indexcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/follow"
	"github.com/aladin-go/aladin/internal/source"
)

// An entry is an item to be, before it is encoded.
type entry struct {
	id, image string // image: the id of the picture, also of a caption
	file      string // of a photo
	input     aladin.Input
}

// entries lists what a source offers as items.
func entries(s *source.Source, captions bool) ([]entry, error) {
	var out []entry
	if captions {
		if len(s.Captions) == 0 {
			return nil, cli.Misuse("--items captions wants captions (--captions, --coco-ir or --scenes)")
		}
		for _, c := range s.Captions {
			out = append(out, entry{id: c.ID, image: s.Items[c.Image].ID, input: aladin.Text(c.Text)})
		}
		return out, nil
	}
	for i, item := range s.Items {
		out = append(out, entry{item.ID, item.ID, item.Path, s.Input(i)})
	}
	return out, nil
}

// items encodes entries. What cannot be encoded goes to skip.
func items(ctx context.Context, m *aladin.Model, all []entry, t *tables, skip func(source.Skip)) iter.Seq2[index.Item, error] {
	return func(yield func(index.Item, error) bool) {
		inputs := func(yield func(aladin.Input) bool) {
			for _, e := range all {
				if !yield(e.input) {
					return
				}
			}
		}
		k := -1
		for enc, err := range m.EncodeSeq(ctx, inputs) {
			k++
			var bad *aladin.InputError
			if errors.As(err, &bad) {
				what := "photo"
				if all[k].id != all[k].image {
					what = "caption"
				}
				skip(source.Skip{What: what, ID: all[k].id, Name: fmt.Sprintf("%q", all[k].id), Err: bad.Err})
				continue
			}
			if err != nil {
				yield(index.Item{}, err)
				return
			}
			item := index.Item{ID: all[k].id, Encoding: enc}
			item.Tags, item.Meta = t.of(all[k].id, all[k].image)
			if item.Meta == nil && all[k].id != all[k].image {
				item.Meta, _ = json.Marshal(map[string]string{"image": all[k].image}) // strings always can
			}
			if all[k].file != "" {
				item.State, _ = follow.State(all[k].file) // without it, sync takes the file for what was encoded
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// meanOfCaptions is the mean matching vector of the first captions of a source, or nil: what the codec
// "bits" centres text queries with.
func meanOfCaptions(ctx context.Context, m *aladin.Model, s *source.Source) ([]float32, error) {
	const enough = 1000
	sum := make([]float64, m.Info().Dim)
	n := 0
	for enc, err := range m.EncodeSeq(ctx, s.CaptionInputs()) {
		if n == enough {
			break
		}
		var bad *aladin.InputError
		if errors.As(err, &bad) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for k, v := range enc.Matching {
			sum[k] += float64(v)
		}
		n++
	}
	if n == 0 {
		return nil, nil
	}
	mean := make([]float32, len(sum))
	for k, v := range sum {
		mean[k] = float32(v / float64(n))
	}
	return mean, nil
}
