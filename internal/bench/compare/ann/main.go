// Command ann compares searches in cells with other engines of approximate search: recall against time on one core.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/aladin-go/aladin/index"
)

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 200_000, "generated items")
	dim := flag.Int("dim", 256, "values of a vector")
	data := flag.String("data", "", "`folder` with items.f32 and queries.f32 instead of generated ones")
	k := flag.Int("k", 10, "hits")
	cells := flag.Int("cells", 0, "cells; 0 chooses")
	flag.Parse()
	ctx := context.Background()
	var s *set
	if *data != "" {
		var err error
		if s, err = load(*data, *dim); err != nil {
			log.Fatal(err)
		}
	} else {
		s = generate(*n, 1000, *dim)
	}
	if err := s.findTruth(ctx, 200); err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "ann")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	for _, match := range []index.Codec{index.Int8, index.F16} {
		path, b, err := buildOurs(ctx, s, folder, match, *cells)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%+v\n", b)
		for _, kk := range []int{*k, 200} {
			for _, probe := range []int{0, 8, 16, 32, 64, 128, 256, 1 << 20} {
				name := fmt.Sprintf("k %d probe %d", kk, probe)
				p, err := measureOurs(ctx, s, path, b.Engine, name, index.SearchOptions{K: kk, MatchOnly: true, Probe: probe}, 3)
				if err != nil {
					log.Fatal(err)
				}
				fmt.Printf("%+v\n", p)
			}
		}
	}
}
