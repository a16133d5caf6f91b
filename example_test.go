package aladin_test

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// world is what the examples work on: a small model, a few photos and their index. The model has random
// weights, so that it needs no training; what it finds means nothing.
var world = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "aladin-examples-")
	check(err)
	aladin.AtExit = func() { os.RemoveAll(dir) }
	check(testmodel.Write(filepath.Join(dir, "photos.model"), testmodel.Options{}))
	gen := scenes.New(7, nil)
	for i, name := range []string{"beach.png", "garden.png", "kitchen.png"} {
		f, err := os.Create(filepath.Join(dir, name))
		check(err)
		check(png.Encode(f, gen.Scene(i).Image))
		check(f.Close())
	}
	check(os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no photo"), 0o600))

	m, err := aladin.OpenModel(filepath.Join(dir, "photos.model"), nil)
	check(err)
	defer m.Close()
	b, err := index.NewBuilder(filepath.Join(dir, "photos.aladin"), nil)
	check(err)
	defer b.Close()
	for _, name := range []string{"beach.png", "garden.png", "kitchen.png"} {
		x, err := m.Encode(context.Background(), aladin.ImageFile(filepath.Join(dir, name)))
		check(err)
		check(b.Add(context.Background(), index.Item{ID: name, Encoding: x, Tags: []string{"home"}[:len(name)%2]}))
	}
	check(b.Finish(context.Background()))
	return dir
})

// at is a file of the examples' folder.
func at(name string) string { return filepath.Join(world(), name) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Search an index of photos, and see which region each word found.
func Example() {
	photos, err := aladin.Open(at("photos.model"), at("photos.aladin"), &aladin.Options{Images: at("")})
	check(err)
	defer photos.Close()
	found, err := photos.Ask(context.Background(), "a red ball without stars", &aladin.SearchOptions{K: 3})
	check(err)
	best := found.Hits[0]
	fmt.Println(len(found.Hits), "hits; the first is the file", best.File == at(best.ID))
	for _, w := range best.Words {
		fmt.Println(w.Word, "found a region:", w.Region >= 0)
	}
	// Output:
	// 3 hits; the first is the file true
	// a found a region: true
	// red found a region: true
	// ball found a region: true
	// stars found a region: true
}

func ExampleOpenModel() {
	m, err := aladin.OpenModel(at("photos.model"), &aladin.Options{Threads: 1, Device: "cpu"})
	check(err)
	defer m.Close()
	info := m.Info()
	fmt.Println(info.Name, info.Dim, info.Pixels)

	_, err = aladin.OpenModel(at("no.model"), nil)
	fmt.Println(errors.Is(err, os.ErrNotExist) || errors.Is(err, aladin.ErrNotModel))
	// Output:
	// tiny 32 true
	// true
}

func ExampleModel_Encode() {
	m, err := aladin.OpenModel(at("photos.model"), nil)
	check(err)
	defer m.Close()
	q, err := m.Encode(context.Background(), aladin.Text("Two green cubes"))
	check(err)
	for _, w := range q.Words {
		fmt.Println(w.Text, w.Start, w.End)
	}
	x, err := m.Encode(context.Background(), aladin.ImageFile(at("beach.png")))
	check(err)
	fmt.Println(len(x.Boxes), "regions; the first is", x.Boxes[0])
	// Output:
	// Two 0 3
	// green 4 9
	// cubes 10 15
	// 17 regions; the first is [0 0 1 1]
}

// A file that is no photo leaves the others alone.
func ExampleModel_EncodeBatch() {
	m, err := aladin.OpenModel(at("photos.model"), nil)
	check(err)
	defer m.Close()
	out, err := m.EncodeBatch(context.Background(), []aladin.Input{
		aladin.Text("a garden"), aladin.ImageFile(at("notes.txt")), aladin.ImageFile(at("garden.png")),
	})
	var bad *aladin.InputError
	if errors.As(err, &bad) {
		fmt.Println("not encoded:", bad.Index, filepath.Base(bad.Input))
	}
	fmt.Println(out[0].Kind, out[1] == nil, out[2].Kind)
	// Output:
	// not encoded: 1 notes.txt
	// caption true image
}

// Build an index of any number of photos with little memory.
func ExampleModel_EncodeSeq() {
	ctx := context.Background()
	m, err := aladin.OpenModel(at("photos.model"), nil)
	check(err)
	defer m.Close()
	b, err := index.NewBuilder(at("new.aladin"), nil)
	check(err)
	defer b.Close()

	photos := []string{"beach.png", "notes.txt", "kitchen.png"}
	inputs := func(yield func(aladin.Input) bool) {
		for _, p := range photos {
			if !yield(aladin.ImageFile(at(p))) {
				return
			}
		}
	}
	i := -1
	for x, err := range m.EncodeSeq(ctx, inputs) {
		i++
		if errors.Is(err, aladin.ErrInput) {
			fmt.Println("left out:", photos[i])
			continue
		}
		check(err)
		check(b.Add(context.Background(), index.Item{ID: photos[i], Encoding: x}))
	}
	fmt.Println(b.Stats().Added, "added")
	check(b.Finish(context.Background()))
	// Output:
	// left out: notes.txt
	// 2 added
}

func ExampleModel_Align() {
	ctx := context.Background()
	m, err := aladin.OpenModel(at("photos.model"), nil)
	check(err)
	defer m.Close()
	out, err := m.EncodeBatch(ctx, []aladin.Input{aladin.Text("a blue star"), aladin.ImageFile(at("kitchen.png"))})
	check(err)
	a, err := m.Align(ctx, out[0], out[1])
	check(err)
	var sum float32
	for _, w := range a.Words {
		sum += w.Weight * w.Similarity
	}
	fmt.Println(len(a.Words), "words; they make up the score:", sum-a.Score < 1e-5 && a.Score-sum < 1e-5)
	// Output:
	// 3 words; they make up the score: true
}

func ExampleMatch() {
	m, err := aladin.OpenModel(at("photos.model"), nil)
	check(err)
	defer m.Close()
	x, err := m.Encode(context.Background(), aladin.ImageFile(at("kitchen.png")))
	check(err)
	fmt.Printf("%.3f\n", aladin.Match(x, x))
	// Output:
	// 1.000
}

// Words in letters that training never showed are all the same to a model: say so before the hits.
func ExampleModel_Unknown() {
	m, err := aladin.OpenModel(at("photos.model"), &aladin.Options{Int8Text: true})
	check(err)
	defer m.Close()
	fmt.Println(m.Unknown("a red 犬"))
	fmt.Println(m.Unknown("犬"))
	// Output:
	// [犬] false
	// [犬] true
}

// Like this photo, with a ball, without stars.
func ExampleCollection_Search() {
	c, err := aladin.Open(at("photos.model"), at("photos.aladin"), nil)
	check(err)
	defer c.Close()
	r, err := c.Search(context.Background(), &aladin.Query{Terms: []aladin.Term{
		{Input: aladin.ImageFile(at("garden.png"))},
		{Input: aladin.Text("a ball"), Weight: 0.5},
		{Input: aladin.Text("stars"), Weight: aladin.Without},
	}}, &aladin.SearchOptions{K: 2})
	check(err)
	fmt.Println(r.Query.Text, len(r.Hits))
	// Output:
	// a ball; stars 2
}

func ExampleParseQuery() {
	q, err := aladin.ParseQuery(`a street without cars or bikes -"red signs"`)
	check(err)
	for _, t := range q.Terms {
		fmt.Println(t.Weight, strings.TrimSpace(t.Input.Text))
	}
	// Output:
	// 1 a street
	// -0.7 cars
	// -0.7 bikes
	// -0.7 red signs
}

// A photo finds its like, among those with a tag.
func ExampleSearch() {
	ctx := context.Background()
	m, err := aladin.OpenModel(at("photos.model"), nil)
	check(err)
	defer m.Close()
	ix, err := index.Open(at("photos.aladin"), nil)
	check(err)
	defer ix.Close()
	x, err := m.Encode(ctx, aladin.ImageFile(at("kitchen.png")))
	check(err)
	for _, tags := range []*index.Filter{nil, index.Tag("home"), index.Not(index.Tag("home"))} {
		hits, err := aladin.Search(ctx, m, ix, x, &aladin.SearchOptions{Tags: tags})
		check(err)
		ids := make([]string, len(hits))
		for i, h := range hits {
			ids[i] = h.ID
		}
		slices.Sort(ids)
		fmt.Println(ids)
	}
	// Output:
	// [beach.png garden.png kitchen.png]
	// [beach.png kitchen.png]
	// [garden.png]
}

// Regions of a detector of one's own, for a model that was trained on them.
func ExampleRegions() {
	m, err := aladin.OpenModel(at("photos.model"), nil)
	check(err)
	defer m.Close()
	set := &aladin.RegionSet{
		Dim:      m.Info().RegionDim,
		Features: make([]float32, 2*m.Info().RegionDim), // two rows
		Boxes:    []index.Box{{0, 0, 1, 1}, {0.2, 0.3, 0.6, 0.9}},
		Labels:   []string{"", "dog"},
	}
	x, err := m.Encode(context.Background(), aladin.Regions(set))
	check(err)
	fmt.Println(x.Boxes, x.Labels)
	// Output:
	// [[0 0 1 1] [0.2 0.3 0.6 0.9]] [ dog]
}
