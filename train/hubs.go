package train

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/aladin-go/aladin/internal/nn"
)

// hubs are the banks by which an exported model tells hubs: matching vectors of some of the training data, n a side
// (see package nn's hubs.go).
type hubs struct {
	captions, images []float32 // n×dim
	n, dim           int
	scale            float32
}

// bank picks the training data for hubs, encoded with the parameters; nil where the configuration wants none.
func (w *worker) bank(ctx context.Context, params *Params) (*hubs, error) {
	e := &w.Config.Encoder
	if e.HubnessBank == 0 {
		return nil, nil
	}
	n := min(e.HubnessBank, len(w.Data.Captions), w.Data.Images.Len())
	rng := rand.New(rand.NewPCG(w.Config.Training.Seed, 4))
	sample := func(of int) []int { // in order, for data that is read from a disk
		list := rng.Perm(of)[:n]
		slices.Sort(list)
		return list
	}
	var texts []string
	for _, c := range sample(len(w.Data.Captions)) {
		texts = append(texts, w.Data.Captions[c].Text)
	}
	progress := func(from int) func(done, total int) {
		return func(done, _ int) {
			w.observe(Event{Kind: "start", Note: "encoding training data, to tell hubs", Done: from + done, Total: 2 * n})
		}
	}
	captions, err := w.enc.captions(ctx, params, texts, progress(0))
	if err != nil {
		return nil, err
	}
	images, err := w.enc.images(ctx, params, chosen{w.Data.Images, sample(w.Data.Images.Len())}, progress(n))
	if err != nil {
		return nil, err
	}
	return &hubs{captions: captions.matching, images: images.matching, n: n, dim: captions.dim, scale: hubScale(n, e.HubnessScale)}, nil
}

// hubScale is the scale for a bank of n: a sharp look at few items says more of those few than of hubs. By trials with
// a trained model and banks of 30 to 3000 (docs/training.md).
func hubScale(n int, most float32) float32 {
	return min(most, float32(0.7*math.Sqrt(float64(n))))
}

// chosen shows some of the images as if they were all.
type chosen struct {
	Images
	list []int
}

func (c chosen) Len() int        { return len(c.list) }
func (c chosen) ID(i int) string { return c.Images.ID(c.list[i]) }
func (c chosen) Load(ctx context.Context, i, view int) (*RegionSet, error) {
	return c.Images.Load(ctx, c.list[i], view)
}

// shorten does to encoded images and captions what the exported encoders will do.
func (h *hubs) shorten(images, captions *encoded) {
	if h != nil {
		images.shorten(h.captions, h)
		captions.shorten(h.images, h)
	}
}

func (e *encoded) shorten(bank []float32, h *hubs) {
	const some = 256 // items at a time
	n := len(e.tokens)
	e.shares = make([]float32, n)
	sims := make([]float32, some*h.n)
	for from := 0; from < n; from += some {
		k := min(some, n-from)
		rows := blas32.General{Rows: k, Cols: h.dim, Stride: h.dim, Data: e.matching[from*h.dim:]}
		blas32.Gemm(blas.NoTrans, blas.Trans, h.scale, rows, blas32.General{Rows: h.n, Cols: h.dim, Stride: h.dim, Data: bank},
			0, blas32.General{Rows: k, Cols: h.n, Stride: h.n, Data: sims})
		for i := range k {
			var sum float64
			for _, x := range sims[i*h.n:][:h.n] {
				sum += math.Exp(float64(x))
			}
			share := float32(min(1, math.Exp(-math.Log(sum/float64(h.n))/float64(h.scale))))
			e.shares[from+i] = share
			blas32.Scal(share, blas32.Vector{N: h.dim, Inc: 1, Data: e.matching[(from+i)*h.dim:]})
		}
	}
}

// export gives a model that is about to be written its banks.
func (h *hubs) export(m *Model) {
	if h == nil {
		return
	}
	m.Net.Hubs, m.Net.HubScale = h.n, h.scale
	p := m.Params.shared()
	p.Set(nn.HubCaptions, []int{h.n, h.dim}, h.captions)
	p.Set(nn.HubImages, []int{h.n, h.dim}, h.images)
	m.Params = p
}
