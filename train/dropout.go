package train

import (
	"math/rand/v2"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

// dropouts makes dropout masks (Srivastava et al., JMLR 2014) without random numbers in the graph: a
// pool of mask values (0 or 1/(1−p)) is an input, and every place that drops reads a stretch of it from
// an offset that the step draws. Masks so depend on the seed alone and cost one copy.
type dropouts struct {
	b       *onnx.Builder
	rates   map[string]float32 // by place
	pools   map[string]*onnx.Value
	offsets *onnx.Value
	sites   []string // place of each site, in order
	net     nn.Config

	data map[string][]float32
	rng  uint64
}

func newDropouts(b *onnx.Builder, cfg *Config, net nn.Config) *dropouts {
	return &dropouts{
		b: b, net: net, rng: cfg.Training.Seed,
		rates: map[string]float32{"hidden": cfg.Encoder.Dropout, "attention": cfg.Encoder.AttentionDrop, "head": cfg.Model.Dropout, "feature": cfg.Encoder.FeatureDropout},
		pools: map[string]*onnx.Value{}, data: map[string][]float32{},
	}
}

func (d *dropouts) apply(x *onnx.Value, place string) *onnx.Value {
	if d.rates[place] == 0 {
		return x
	}
	b := d.b
	if place == "feature" { // a feature is dropped from all regions of an image alike
		ones := b.Expand(b.Reshape(b.Scalar(1), onnx.D(1), onnx.D(1), onnx.D(1)), x.Shape[0], onnx.D(1), x.Shape[2])
		return b.Mul(x, d.mask(ones, place))
	}
	return d.mask(x, place)
}

// mask multiplies x by its own stretch of a pool.
func (d *dropouts) mask(x *onnx.Value, place string) *onnx.Value {
	b := d.b
	if d.offsets == nil {
		d.offsets = b.Input("dropout_offsets", onnx.Int64, onnx.Of("Sites"))
	}
	pool := d.pools[place]
	if pool == nil {
		pool = b.Input("dropout_"+place, onnx.Float, onnx.Of("Pool-"+place))
		d.pools[place] = pool
	}
	site := int64(len(d.sites))
	d.sites = append(d.sites, place)
	from := b.Slice(d.offsets, 0, site, site+1, onnx.D(1))
	count := b.Ints(1)
	for i := range x.Shape {
		count = b.Mul(count, b.DimVector(x, i))
	}
	flat := b.SliceV(pool, 0, from, b.Add(from, count), x.Shape.Elements())
	return b.Mul(x, b.Reshape(flat, x.Shape...))
}

// inputs adds the pools and this step's offsets to a run's inputs.
func (d *dropouts) inputs(in map[string]*ort.Tensor, batch *Batch, rng *rand.Rand) {
	if d.offsets == nil {
		return
	}
	s := max(batch.Captions.T, batch.Images.L+batch.Images.R)
	largest := batch.Images.B * max(d.net.RegionDim, s*max(d.net.Hidden, d.net.FF, d.net.MatchFF), s*s*max(d.net.Heads, d.net.MatchHeads))
	size := 2*largest + 1<<16
	for place := range d.pools {
		in["dropout_"+place] = ort.Float32([]int64{int64(size)}, d.pool(place, size))
	}
	offsets := make([]int64, len(d.sites))
	for i := range offsets {
		offsets[i] = int64(rng.IntN(size - largest))
	}
	in["dropout_offsets"] = ort.Int64([]int64{int64(len(offsets))}, offsets)
}

// pool grows the pool of a place to size; what is there stays, so batches of any size see the same values.
func (d *dropouts) pool(place string, size int) []float32 {
	data := d.data[place]
	if len(data) < size {
		p := d.rates[place]
		keep := 1 / (1 - p)
		seed := d.rng
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
