package step

import (
	"fmt"
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/training/config"
)

// dropouts makes dropout masks (Srivastava et al., JMLR 2014) without random numbers in the graph. There is a pool of mask
// values (0 or 1/(1−p)) for every rate. Each place that applies dropout has a graph input, to which a step binds a slice of
// the pool at a random offset. So masks depend on the seed alone and are never copied.
type dropouts struct {
	b     *onnx.Builder
	rates map[string]float32 // by place
	sites []site             // in order
	seed  uint64
	data  map[string][]float32
	// together makes masks for several batches in one run; the graph cuts each to the size of its batch.
	together bool
}

// A site is one place in the graph where a mask is applied.
type site struct {
	input string
	place string
	shape onnx.Shape
}

func newDropouts(b *onnx.Builder, cfg *config.Config) *dropouts {
	own := *cfg
	own.SetDropout(nn.Dropout{})
	return &dropouts{
		b: b, seed: cfg.Training.Seed, data: map[string][]float32{},
		rates: map[string]float32{"hidden": own.Encoder.Dropout, "attention": own.Encoder.AttentionDrop, "head": cfg.Model.Dropout, "feature": cfg.Encoder.FeatureDropout},
	}
}

func (d *dropouts) apply(x *onnx.Value, place string) *onnx.Value {
	if d.rates[place] == 0 {
		return x
	}
	shape := append(onnx.Shape(nil), x.Shape...)
	if place == "feature" { // a feature is dropped from all regions of an image alike
		shape[1] = onnx.D(1)
	}
	s := site{input: fmt.Sprintf("dropout_%d", len(d.sites)), place: place, shape: shape}
	d.sites = append(d.sites, s)
	if !d.together {
		return d.b.Mul(x, d.b.Input(s.input, onnx.Float, shape))
	}
	flat := d.b.Input(s.input, onnx.Float, onnx.Of(s.input+"-length"))
	count := d.b.Node("ReduceProd", "", []*onnx.Value{d.b.ShapeVector(x, shape)}, nil, onnx.Value{Type: onnx.Int64, Shape: onnx.Of(1)})[0]
	cut := d.b.SliceV(flat, 0, d.b.Ints(0), d.b.Reshape(count, onnx.D(1)), shape.Elements())
	return d.b.Mul(x, d.b.Reshape(cut, shape...))
}

// inputs adds this step's masks to a run's inputs; sizes are those of the batch's dimensions by name, the largest
// of each if there are several times.
func (d *dropouts) inputs(in map[string]*ort.Tensor, sizes map[string]int, times int, rng *rand.Rand) error {
	largest := map[string]int{}
	shapes := make([][]int64, len(d.sites))
	counts := make([]int, len(d.sites))
	for i, s := range d.sites {
		counts[i] = 1
		for _, dim := range s.shape {
			n, err := dim.Eval(sizes)
			if err != nil {
				return err
			}
			shapes[i] = append(shapes[i], int64(n))
			counts[i] *= n
		}
		if d.together {
			shapes[i] = []int64{int64(times), int64(counts[i])}
			counts[i] *= times
		}
		largest[s.place] = max(largest[s.place], counts[i])
	}
	for i, s := range d.sites {
		room := largest[s.place] + 1<<16
		from := rng.IntN(room)
		in[s.input] = ort.Float32(shapes[i], d.pool(s.place, room+largest[s.place])[from:from+counts[i]])
	}
	return nil
}

// Pool grows the pool of a place to size; what is there stays, so batches of any size see the same values.
func (d *dropouts) pool(place string, size int) []float32 {
	data := d.data[place]
	if len(data) < size {
		p := d.rates[place]
		keep := 1 / (1 - p)
		seed := d.seed
		for _, c := range place {
			seed = seed*31 + uint64(c)
		}
		data = make([]float32, size+size/4)
		r := rand.New(rand.NewPCG(seed, 0xd20f))
		for i := range data {
			if r.Float32() >= p {
				data[i] = keep
			}
		}
		d.data[place] = data
	}
	return data[:size]
}
