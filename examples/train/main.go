// Command train trains a small model on captioned photos of your own, with features made in Go, and searches
// the photos with it: train FOLDER CAPTIONS.tsv OUT "a sentence". CAPTIONS.tsv has lines photo <tab> number
// <tab> caption. (aladin-train run does more: a detector's features, validation, resuming. This shows how
// regions that only your program knows how to make get in.)
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/train"
)

// A small network, which learns from hundreds of photos in a minute. aladin-train configs lists others.
const config = `
encoder: {layers: 2, hidden: 128, heads: 4, ff: 256, pre-norm: true, mean-pool: true, standardise: true, max-caption: 40, max-labels: 4, min-count: 2}
model: {tern-layers: 1}
training: {bs: 16, epochs: 4, lr: 0.001, loss-type: alignment-matching, alignment-mode: MrCOSw, contrast: infonce, temperature: 0.1, alignment-temperature: 0.1}
`

func main() {
	if len(os.Args) != 5 {
		log.Fatal(`usage: train FOLDER CAPTIONS.tsv OUT "a sentence"`)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, folder, captions, out, sentence string) error {
	all, texts, err := read(folder, captions)
	if err != nil {
		return err
	}
	cfg, err := train.ParseConfig([]byte(config))
	if err != nil {
		return err
	}
	data := &train.Data{Images: all, Captions: texts}
	model, err := train.NewModel("mine", cfg, data)
	if err != nil {
		return err
	}
	job := &train.Run{
		Config: cfg, Model: model, Data: data, Dir: out,
		Observe: func(e train.Event) {
			if e.Kind == "step" && e.Step%20 == 0 {
				fmt.Printf("step %d of %d, loss %.2f\n", e.Step, e.Steps, e.Loss["total"])
			}
		},
	}
	if _, err := job.Do(ctx); err != nil {
		return err
	}
	return search(ctx, filepath.Join(out, "model"), all, sentence)
}

// search ranks the photos by alignment. With many of them, make an index (see the example tags).
func search(ctx context.Context, dir string, all *photos, sentence string) error {
	m, err := aladin.OpenModel(dir, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	inputs := []aladin.Input{aladin.Text(sentence)}
	for i := range all.files {
		inputs = append(inputs, aladin.Input{Name: all.ID(i), Regions: func() (*aladin.RegionSet, error) {
			features, boxes, err := all.cells(i)
			set := &aladin.RegionSet{Features: features, Dim: all.Dim()}
			for _, b := range boxes {
				set.Boxes = append(set.Boxes, index.Box(b))
			}
			return set, err
		}})
	}
	encodings, err := m.EncodeBatch(ctx, inputs)
	if err != nil {
		return err
	}
	scores, err := m.AlignScores(ctx, encodings[:1], encodings[1:])
	if err != nil {
		return err
	}
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	for _, i := range order[:min(5, len(order))] {
		fmt.Printf("%.3f  %s\n", scores[i], all.ID(i))
	}
	return nil
}

// photos are pictures below a folder. Their regions are the whole and cells of a grid, and the features of a
// region its colours at a few points: poor, but of our own. Yours may come from anywhere.
type photos struct {
	folder string
	files  []string
}

const (
	grid   = 4 // cells a side
	points = 6 // a side of a cell
)

func (p *photos) Len() int            { return len(p.files) }
func (p *photos) Dim() int            { return points * points * 3 }
func (p *photos) ID(i int) string     { return p.files[i] }
func (p *photos) Views() []train.View { return []train.View{{}} } // no augmentation

// Load is what training asks for, from several goroutines.
func (p *photos) Load(_ context.Context, i, _ int) (*train.RegionSet, error) {
	features, boxes, err := p.cells(i)
	return &train.RegionSet{Features: features, Dim: p.Dim(), Boxes: boxes}, err
}

func (p *photos) cells(i int) (features []float32, boxes [][4]float32, err error) {
	f, err := os.Open(filepath.Join(p.folder, p.files[i]))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.files[i], err)
	}
	boxes = [][4]float32{{0, 0, 1, 1}}
	for y := range grid {
		for x := range grid {
			boxes = append(boxes, [4]float32{float32(x) / grid, float32(y) / grid, float32(x+1) / grid, float32(y+1) / grid})
		}
	}
	size := img.Bounds().Size()
	for _, b := range boxes {
		for y := range points {
			for x := range points {
				fx, fy := b[0]+(b[2]-b[0])*(float32(x)+0.5)/points, b[1]+(b[3]-b[1])*(float32(y)+0.5)/points
				red, green, blue, _ := img.At(img.Bounds().Min.X+int(fx*float32(size.X)), img.Bounds().Min.Y+int(fy*float32(size.Y))).RGBA()
				features = append(features, float32(red)/0xffff, float32(green)/0xffff, float32(blue)/0xffff)
			}
		}
	}
	return features, boxes, nil
}

// read reads the captions and finds out which photos there are.
func read(folder, captions string) (*photos, []train.Caption, error) {
	f, err := os.Open(captions)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	all, number, texts := &photos{folder: folder}, map[string]int{}, []train.Caption(nil)
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.SplitN(lines.Text(), "\t", 3)
		if len(fields) != 3 {
			return nil, nil, fmt.Errorf("%s:%d: want photo, number and caption with tabs between", captions, n)
		}
		i, ok := number[fields[0]]
		if !ok {
			i = len(all.files)
			number[fields[0]], all.files = i, append(all.files, fields[0])
		}
		texts = append(texts, train.Caption{Image: i, Text: fields[2]})
	}
	if err := lines.Err(); err != nil {
		return nil, nil, err
	}
	if len(texts) == 0 {
		return nil, nil, errors.New(captions + " has no captions")
	}
	return all, texts, nil
}
