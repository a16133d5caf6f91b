package train_test

import (
	"context"
	"fmt"
	"log"

	"github.com/aladin-go/aladin/train"
)

// colours is a collection of one-region pictures: the region's three features are a colour.
type colours [][3]float32

func (c colours) Len() int            { return len(c) }
func (c colours) Dim() int            { return 3 }
func (c colours) ID(i int) string     { return fmt.Sprintf("colour-%d", i) }
func (c colours) Views() []train.View { return []train.View{{}} }
func (c colours) Load(_ context.Context, i, _ int) (*train.RegionSet, error) {
	return &train.RegionSet{Features: c[i][:], Dim: 3, Boxes: [][4]float32{{0, 0, 1, 1}}}, nil
}

// Training on features of your own: anything that gives regions per picture will do.
func ExampleRun() {
	cfg, err := train.ParseConfig([]byte(`
encoder: {layers: 1, hidden: 16, heads: 2, ff: 32, min-count: 1, max-caption: 8, max-labels: 4}
model: {tern-layers: 1}
training: {bs: 3, epochs: 2, lr: 0.01, loss-type: alignment-distillation}
`))
	if err != nil {
		log.Fatal(err)
	}
	captions := []train.Caption{{Image: 0, Text: "a red thing"}, {Image: 1, Text: "something green"}, {Image: 2, Text: "all blue"}}
	data := &train.Data{Images: colours{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, Captions: captions}
	model, err := train.NewModel("colours", cfg, data)
	if err != nil {
		log.Fatal(err)
	}
	run := &train.Run{
		Config: cfg, Model: model, Dir: "colours", Data: data,
		Observe: func(e train.Event) { fmt.Println(e.Kind, e.Step, e.Loss["total"]) },
	}
	if _, err := run.Do(context.Background()); err != nil {
		log.Fatal(err)
	}
	// colours/model is a bundle now: aladin.OpenModel("colours/model", nil).
}
