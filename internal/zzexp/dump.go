package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"fmt"
	"os"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/scenes"
)

type Item struct {
	ID      string
	V       []float32
	T       [][]float32
	W       []float32
	Owner   int
}
type Dump struct{ Images, Caps []Item }

func main() {
	ctx := context.Background()
	m, err := aladin.OpenModel(os.Args[1], nil)
	if err != nil { panic(err) }
	if os.Args[2] == "scenes" {
		dumpScenes(ctx, m)
		return
	}
	f, _ := os.Open(os.Args[2])
	dir := os.Args[3]
	sc := bufio.NewScanner(f)
	var d Dump
	owner := map[string]int{}
	var imgs []aladin.Input
	var caps []aladin.Input
	for sc.Scan() {
		p := strings.SplitN(sc.Text(), "\t", 3)
		if _, ok := owner[p[0]]; !ok {
			owner[p[0]] = len(imgs)
			imgs = append(imgs, aladin.ImageFile(dir+"/"+p[0]))
			d.Images = append(d.Images, Item{ID: p[0]})
		}
		caps = append(caps, aladin.Text(p[2]))
		d.Caps = append(d.Caps, Item{ID: p[2], Owner: owner[p[0]]})
	}
	run(ctx, m, caps, d.Caps)
	run(ctx, m, imgs, d.Images)
	save(&d)
}

func save(d *Dump) {
	o, _ := os.Create(os.Args[4])
	gob.NewEncoder(o).Encode(d)
	o.Close()
	fmt.Println(len(d.Images), len(d.Caps))
}

func dumpScenes(ctx context.Context, m *aladin.Model) {
	g := scenes.New(0, &scenes.Options{Split: scenes.Val})
	var d Dump
	var imgs, caps []aladin.Input
	for i := range 1000 {
		sc := g.Scene(i)
		imgs = append(imgs, aladin.Image(sc.Image))
		d.Images = append(d.Images, Item{ID: sc.ID})
		for _, c := range sc.Captions {
			caps = append(caps, aladin.Text(c.Text))
			d.Caps = append(d.Caps, Item{ID: c.Text, Owner: i})
		}
	}
	run(ctx, m, caps, d.Caps)
	run(ctx, m, imgs, d.Images)
	save(&d)
}

func run(ctx context.Context, m *aladin.Model, in []aladin.Input, out []Item) {
		for i := 0; i < len(in); i += 64 {
			e, err := m.EncodeBatch(ctx, in[i:min(i+64, len(in))])
			if err != nil { panic(err) }
			for k, x := range e {
				o := &out[i+k]
				o.V = x.Matching
				o.W = x.Weights
				n := len(x.Tokens) / len(x.Matching)
				for t := range n { o.T = append(o.T, x.Tokens[t*len(x.Matching):(t+1)*len(x.Matching)]) }
			}
		}
	}
