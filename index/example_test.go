package index_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/index"
)

// photo makes the encoding that a model would: here with two dimensions, one for
// how much of a dog, one for how much of a cat is seen.
func photo(dog, cat float32) *index.Encoding {
	return &index.Encoding{
		Kind: index.Image, Model: "example", Matching: []float32{dog, cat},
		Tokens: []float32{1, 0, 0, 1},
		Boxes:  []index.Box{{0, 0, 0.5, 1}, {0.5, 0, 1, 1}},
		Labels: []string{"dog", "cat"},
	}
}

func question() *index.Encoding {
	return &index.Encoding{
		Kind: index.Caption, Model: "example", Matching: []float32{0.8, 0.6}, Text: "dog with cat",
		Tokens: []float32{1, 0, 0.6, 0.8, 0, 1}, Weights: []float32{1, 0, 1},
		Words: []index.Word{{Text: "dog", Start: 0, End: 3}, {Text: "with", Start: 4, End: 8}, {Text: "cat", Start: 9, End: 12}},
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "photos.aladin")

	b, err := index.NewBuilder(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	for _, it := range []index.Item{
		{ID: "dog.jpg", Encoding: photo(1, 0), Tags: []string{"outdoors"}},
		{ID: "cat.jpg", Encoding: photo(0, 1), Meta: []byte(`{"year": 2024}`)},
		{ID: "both.jpg", Encoding: photo(0.6, 0.8)},
	} {
		if err := b.Add(context.Background(), it); err != nil {
			log.Fatal(err)
		}
	}
	if err := b.Finish(context.Background()); err != nil {
		log.Fatal(err)
	}

	ix, err := index.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ix.Close()
	ctx := context.Background()
	q := question()
	hits, err := ix.Search(ctx, q, &index.SearchOptions{K: 2})
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range hits {
		fmt.Printf("%s %.2f\n", h.ID, h.Match)
	}
	for _, w := range hits[0].Words {
		fmt.Printf("%s: region %d (%s), %.2f\n", w.Word, w.Region, w.Label, w.Similarity)
	}
	// Output:
	// both.jpg 0.96
	// dog.jpg 0.80
	// dog: region 0 (dog), 1.00
	// cat: region 1 (cat), 1.00
}

func ExampleWriter() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "photos.aladin")
	b, err := index.NewBuilder(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(b.Add(context.Background(), index.Item{ID: "old.jpg", Encoding: photo(1, 0)}), b.Finish(context.Background())); err != nil {
		log.Fatal(err)
	}
	ix, err := index.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ix.Close()

	w, err := index.OpenWriter(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = errors.Join(
		w.Add(context.Background(), index.Item{ID: "new.jpg", Encoding: photo(0, 1)}),
		w.Delete(context.Background(), "old.jpg"),
		w.Commit(context.Background()),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("added", w.Stats().Added, "deleted", w.Stats().Deleted)

	// The open index still has the commit that it was opened with.
	_, err = ix.Item(context.Background(), "new.jpg")
	fmt.Println(errors.Is(err, index.ErrNotFound))
	newer, err := ix.Refresh(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("newer:", newer, "items:", ix.Len())
	// Output:
	// added 1 deleted 1
	// true
	// newer: true items: 1
}

func ExampleParseFilter() {
	f, err := index.ParseFilter(`beach and not (night or "long exposure")`)
	fmt.Println(f, err)
	_, err = index.ParseFilter("beach night")
	fmt.Println(err)
	// Output:
	// (beach and not (night or "long exposure")) <nil>
	// invalid tag filter "beach night" at byte 6: expected and, or, or the end
}

func ExampleIndex_Tags() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "photos.aladin")
	b, err := index.NewBuilder(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	err = errors.Join(
		b.Add(context.Background(), index.Item{ID: "1.jpg", Encoding: photo(1, 0), Tags: []string{"2024", "outdoors"}}),
		b.Add(context.Background(), index.Item{ID: "2.jpg", Encoding: photo(0, 1), Tags: []string{"2024"}}),
		b.Finish(context.Background()),
	)
	if err != nil {
		log.Fatal(err)
	}
	ix, err := index.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ix.Close()
	tags, err := ix.Tags(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range tags {
		fmt.Println(t.Tag, t.Items)
	}
	// Output:
	// 2024 2
	// outdoors 1
}
