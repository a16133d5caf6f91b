// Command photosearch searches a folder of photos: photosearch MODEL FOLDER "a sentence". It keeps nothing; with
// more than a few hundred photos, build an index once (see the example tags).
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"

	"github.com/aladin-go/aladin"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal(`usage: photosearch MODEL FOLDER "a sentence"`)
	}
	ctx := context.Background()
	m, err := aladin.OpenModel(os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	query, err := m.Encode(ctx, aladin.Text(os.Args[3]))
	if err != nil {
		log.Fatal(err)
	}
	photos, _ := filepath.Glob(filepath.Join(os.Args[2], "*.[jp][pn]g"))
	inputs := make([]aladin.Input, len(photos))
	for i, p := range photos {
		inputs[i] = aladin.ImageFile(p)
	}
	scores := map[string]float32{}
	encodings, err := m.EncodeBatch(ctx, inputs)
	if err != nil {
		log.Print(err) // names the photos that cannot be read; the others are there
	}
	for i, x := range encodings {
		if x != nil {
			scores[photos[i]] = aladin.Match(query, x)
		}
	}
	sort.Slice(photos, func(i, j int) bool { return scores[photos[i]] > scores[photos[j]] })
	for _, p := range photos[:min(5, len(photos))] {
		fmt.Printf("%.3f  %s\n", scores[p], p)
	}
}
