package encode

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/progress"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/dataset"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/param"
)

// Hubs are the banks by which an exported model tells hubs: matching vectors of some of the training data, n a side
// (see package nn's hubs.go).
type Hubs struct {
	Captions, Images []float32 // n×dim
	N, Dim           int
	Scale            float32
}

// NewHubs encodes a sample of the training data; nil where the configuration wants no bank.
func NewHubs(ctx context.Context, enc *Encoder, params *param.Set, data *dataset.Data, cfg *config.Config, observe func(done, total int)) (*Hubs, error) {
	e := &cfg.Encoder
	if e.HubnessBank == 0 {
		return nil, nil
	}
	n := min(e.HubnessBank, len(data.Captions), data.Images.Len())
	rng := rand.New(rand.NewPCG(cfg.Training.Seed, 4))
	sample := func(of int) []int { // in order, for data that is read from a disk
		list := rng.Perm(of)[:n]
		slices.Sort(list)
		return list
	}
	var texts []string
	for _, c := range sample(len(data.Captions)) {
		texts = append(texts, data.Captions[c].Text)
	}
	progress := func(from int) func(done, total int) {
		return func(done, _ int) { progress.Tell(observe, from+done, 2*n) }
	}
	captions, err := enc.Captions(ctx, params, texts, progress(0))
	if err != nil {
		return nil, err
	}
	images, err := enc.Images(ctx, params, chosen{data.Images, sample(data.Images.Len())}, progress(n))
	if err != nil {
		return nil, err
	}
	return &Hubs{Captions: captions.Matching, Images: images.Matching, N: n, Dim: captions.Dim, Scale: hubScale(n, e.HubnessScale)}, nil
}

// hubScale is the scale for a bank of n: a sharp look at few items says more of those few than of hubs. By trials with
// a trained model and banks of 30 to 3000 (docs/training.md).
func hubScale(n int, most float32) float32 {
	return min(most, float32(0.7*math.Sqrt(float64(n))))
}

// chosen shows some of the images as if they were all.
type chosen struct {
	dataset.Images
	list []int
}

func (c chosen) Len() int        { return len(c.list) }
func (c chosen) ID(i int) string { return c.Images.ID(c.list[i]) }
func (c chosen) Load(ctx context.Context, i, view int) (*region.Set, error) {
	return c.Images.Load(ctx, c.list[i], view)
}

// Shorten does to encoded images and captions what the exported encoders will do.
func (h *Hubs) Shorten(ctx context.Context, images, captions *Side) error {
	if h == nil {
		return nil
	}
	m, err := nn.HubModel(h.Dim, h.N, h.Scale)
	if err != nil {
		return err
	}
	s, err := ort.Load(m.Marshal(), nil)
	if err != nil {
		return err
	}
	defer s.Close()
	return errors.Join(images.shorten(ctx, s, h.Captions, h.N), captions.shorten(ctx, s, h.Images, h.N))
}

func (e *Side) shorten(ctx context.Context, hubs *ort.Session, bank []float32, n int) error {
	const some = 256 // items at a time
	dim := e.Dim
	e.Shares = nil
	for part := range slices.Chunk(e.Matching, some*dim) {
		out, err := hubs.Run(ctx, map[string]*ort.Tensor{"vectors": ort.Float32([]int64{int64(len(part) / dim), int64(dim)}, part),
			"bank": ort.Float32([]int64{int64(n), int64(dim)}, bank)})
		if err != nil {
			return err
		}
		shares := out["share"].Float32()
		for i, share := range shares {
			blas32.Scal(share, blas32.Vector{N: dim, Inc: 1, Data: part[i*dim:]})
		}
		e.Shares = append(e.Shares, shares...)
	}
	return nil
}

// Export gives a model that is about to be written its banks.
func (h *Hubs) Export(m *model.Model) {
	if h == nil {
		return
	}
	m.Net.Hubs, m.Net.HubScale = h.N, h.Scale
	p := m.Params.Shared()
	p.Set(nn.HubCaptions, []int{h.N, h.Dim}, h.Captions)
	p.Set(nn.HubImages, []int{h.N, h.Dim}, h.Images)
	m.Params = p
}
