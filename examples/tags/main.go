// Command tags indexes a folder of photos whose subfolders are tags, and searches those of one tag:
// tags MODEL FOLDER TAG "a sentence". The index is kept beside the folder, as FOLDER.aladin.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal(`usage: tags MODEL FOLDER TAG "a sentence"`)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, model, folder, tag, sentence string) error {
	file := filepath.Clean(folder) + ".aladin"
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := build(ctx, model, folder, file); err != nil {
			return err
		}
	}
	c, err := aladin.Open(model, file, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	found, err := c.Ask(ctx, sentence, &aladin.SearchOptions{K: 3, Tags: index.Tag(tag)})
	if err != nil {
		return err
	}
	for _, h := range found.Hits {
		fmt.Printf("%s  %.2f\n", h.ID, h.Align)
		for _, w := range h.Words {
			fmt.Printf("    %-12s %.2f at %.2f\n", w.Word, w.Similarity, w.Box)
		}
	}
	return nil
}

// build indexes the photos below folder. An item's tags are the folders it lies in.
func build(ctx context.Context, model, folder, file string) error {
	m, err := aladin.OpenModel(model, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	var photos []string
	err = filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".jpg", ".jpeg", ".png":
			photos = append(photos, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	b, err := index.NewBuilder(file, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	inputs := func(yield func(aladin.Input) bool) {
		for _, p := range photos {
			if !yield(aladin.ImageFile(p)) {
				return
			}
		}
	}
	i := -1
	for encoding, err := range m.EncodeSeq(ctx, inputs) {
		i++
		var bad *aladin.InputError
		if errors.As(err, &bad) {
			log.Print(bad)
			continue
		}
		if err != nil {
			return err
		}
		id, err := filepath.Rel(folder, photos[i])
		if err != nil {
			return err
		}
		folders := strings.Split(filepath.ToSlash(filepath.Dir(id)), "/")
		if err := b.Add(context.Background(), index.Item{ID: filepath.ToSlash(id), Encoding: encoding, Tags: folders}); err != nil {
			return err
		}
	}
	return b.Finish(context.Background())
}
