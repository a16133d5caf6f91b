// Package source finds what a command works on: photos in a folder, published features, or generated
// scenes, with the captions that belong to them. All commands share its flags.
//
// A [Source] is a list of items and a list of captions that point at them. An item gives its picture, or,
// when features were computed elsewhere, its regions. Nothing is decoded when a source is opened, so that
// takes no time; pictures that turn out to be bad are told by [Regions] and the calls beside it.
//
// # What is left out
//
// A photo, a caption or a row of features that cannot be used is a [Skip]: it is left out, counted, and
// named with its file, line and reason. Only what makes the whole source useless is an error.
//
// A Source is safe for concurrent use. What it returns belongs to the caller.
package source

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aladin-go/aladin/internal/picture"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/scenes"
)

var (
	// ErrEmpty is returned when a source has no usable item.
	ErrEmpty = errors.New("nothing to work on")
	// ErrNoPixels is returned when a picture is asked of a source that has only features.
	ErrNoPixels = errors.New("this source has features and no pictures")
	// ErrNoRegions is returned when regions are asked of a source that has only pictures.
	ErrNoRegions = errors.New("this source has pictures and no features")
)

// An Item is one picture, or what is known of it.
type Item struct {
	ID   string
	Path string // of the photo's file; "" if there is none

	at    int    // where the origin knows it
	stamp string // changes when the item's content does
}

// A Caption describes one item.
type Caption struct {
	ID       string // the item's id, '#' and a number
	Image    int    // index into Source.Items
	Text     string
	Mentions []Mention // nouns and what they mean, where the source knows it
}

// A Mention is a word of a caption and the boxes of all things that it may mean.
type Mention struct {
	Start, End int // bytes of the caption, half-open
	Boxes      []region.Box
}

// origin is where items come from.
type origin interface {
	open(item *Item, o *picture.Options) (*picture.File, error)
	set(item *Item) (*region.Set, error)
	dim() int // of sets; 0: none
	close() error
}

// A Source is what a command works on.
type Source struct {
	// Name says in a word or two where this comes from, for documents.
	Name string
	// Items are in the order of the captions file or key list, else sorted by id.
	Items []Item
	// Captions are in the order of their file. A source without captions is all right for building an index.
	Captions []Caption
	// Skipped is what was left out when the source was opened.
	Skipped Skips
	// Passed counts what a folder holds besides its photos; nil where no folder was searched.
	Passed *Passed

	origin origin
	root   *os.Root // of a folder while it is listed; nil lets links lead anywhere
}

// Close closes the files.
func (s *Source) Close() error { return s.origin.close() }

// Precomputed says whether items have regions instead of pictures.
func (s *Source) Precomputed() bool { return s.origin.dim() > 0 }

// Dim is the number of features of a precomputed region, or 0.
func (s *Source) Dim() int { return s.origin.dim() }

// Open opens the picture of item i.
func (s *Source) Open(i int, o *picture.Options) (*picture.File, error) {
	return s.origin.open(&s.Items[i], o)
}

// Set is the regions of item i of a precomputed source.
func (s *Source) Set(i int) (*region.Set, error) { return s.origin.set(&s.Items[i]) }

// Texts are the captions' texts.
func (s *Source) Texts() []string {
	out := make([]string, len(s.Captions))
	for i, c := range s.Captions {
		out[i] = c.Text
	}
	return out
}

// Scenes are what generated pictures show, without the pictures; nil of another source.
func (s *Source) Scenes() []*scenes.Scene {
	o, ok := s.origin.(*sceneOrigin)
	if !ok {
		return nil
	}
	all := make([]*scenes.Scene, len(s.Items))
	for i, item := range s.Items {
		all[i] = o.gen.Describe(item.at)
	}
	return all
}

// Unique says of each caption whether it fits one item only. Only generated scenes know; others give nil.
func (s *Source) Unique(ctx context.Context) ([]bool, error) {
	if _, ok := s.origin.(*sceneOrigin); !ok {
		return nil, nil
	}
	return uniqueCaptions(ctx, s)
}

// Without is the source without some items and their captions. It shares the files of s: closing one
// closes both.
func (s *Source) Without(skips Skips) *Source {
	bad := make(map[string]bool, len(skips))
	for _, k := range skips {
		bad[k.ID] = true
	}
	out := *s
	out.Items, out.Captions = nil, nil
	place := make([]int, len(s.Items))
	for i, item := range s.Items {
		place[i] = -1
		if !bad[item.ID] {
			place[i] = len(out.Items)
			out.Items = append(out.Items, item)
		}
	}
	for _, c := range s.Captions {
		if c.Image = place[c.Image]; c.Image >= 0 {
			out.Captions = append(out.Captions, c)
		}
	}
	return &out
}

// empty is the error of a source in which nothing is left, with the first reason.
func empty(what string, skipped Skips) error {
	if len(skipped) == 0 {
		return fmt.Errorf("%w: %s", ErrEmpty, what)
	}
	return fmt.Errorf("%w: %s; %d left out, the first: %v", ErrEmpty, what, len(skipped), skipped[0])
}
