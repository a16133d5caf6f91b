package source

import (
	"context"
	"fmt"
	"image"
	"strconv"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/scenes"
)

// MaxScenes is the largest number of scenes.
const MaxScenes = 1_000_000

// sceneOrigin is generated pictures. Scenes are drawn when their picture is asked for.
type sceneOrigin struct{ gen *scenes.Generator }

func (o *sceneOrigin) open(item *Item, _ *picture.Options) (*picture.File, error) {
	return picture.OpenImage(o.draw(item), nil)
}
func (o *sceneOrigin) draw(item *Item) *image.RGBA    { return o.gen.Scene(item.at).Image }
func (o *sceneOrigin) set(*Item) (*region.Set, error) { return nil, ErrNoRegions }
func (o *sceneOrigin) dim() int                       { return 0 }
func (o *sceneOrigin) close() error                   { return nil }

func openScenes(ctx context.Context, n int, seed uint64, split string) (*Source, error) {
	which := scenes.Train
	switch split {
	case "val", "minival":
		which = scenes.Val
	case "test":
		which = scenes.Test
	}
	o := &sceneOrigin{scenes.New(seed, &scenes.Options{Split: which})}
	s := &Source{Name: fmt.Sprintf("%d scenes (%s, seed %d)", n, which, seed), origin: o}
	// Pixels of a first scene stand for the version of the generator in the stamps.
	version := "x"
	if n > 0 {
		version = fmt.Sprintf("%x", sum(o.gen.Scene(0).Image.Pix))
	}
	for i := range n {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		sc := o.gen.Describe(i)
		s.Items = append(s.Items, Item{ID: sc.ID, at: i, stamp: fmt.Sprintf("%s:%d:%s", which, seed, version)})
		for k, c := range sc.Captions {
			caption := Caption{ID: sc.ID + "#" + strconv.Itoa(k), Image: i, Text: c.Text}
			for _, m := range c.Mentions {
				mention := Mention{Start: m.Start, End: m.End}
				for _, at := range m.Objects {
					mention.Boxes = append(mention.Boxes, sc.Objects[at].Box)
				}
				caption.Mentions = append(caption.Mentions, mention)
			}
			s.Captions = append(s.Captions, caption)
		}
	}
	return s, nil
}

func uniqueCaptions(ctx context.Context, s *Source) ([]bool, error) {
	all := s.Scenes()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, each := scenes.UniqueShare(all)
	out := make([]bool, 0, len(s.Captions))
	next := make([]int, len(s.Items))
	for _, c := range s.Captions { // in the order in which openScenes made them
		out = append(out, each[c.Image][next[c.Image]])
		next[c.Image]++
	}
	return out, nil
}
