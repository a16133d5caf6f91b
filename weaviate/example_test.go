package weaviate_test

import (
	"context"
	"fmt"
	"log"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/weaviate"
)

// A file is copied into a collection, and found there. The address names two of the nodes.
func Example() {
	ctx := context.Background()
	const address = "weaviate://10.0.0.1,10.0.0.2/Photos"
	file, err := index.Open("photos.aladin", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	layout, err := file.Layout(ctx)
	if err != nil {
		log.Fatal(err)
	}
	photos, err := weaviate.Create(ctx, address, layout, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer photos.Close()
	w := photos.Writer()
	for it, err := range file.Packed(ctx) {
		if err == nil {
			err = w.AddPacked(ctx, it)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Commit(ctx); err != nil { // until here nothing is certain
		log.Fatal(err)
	}
	dog, err := photos.Item(ctx, "dog.jpg")
	if err != nil {
		log.Fatal(err)
	}
	hits, err := photos.Search(ctx, dog.Encoding, &index.SearchOptions{Tags: index.Not(index.Tag("blurred"))})
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range hits {
		fmt.Println(h.ID, h.Match)
	}
}
