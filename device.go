package aladin

import (
	"context"
	"slices"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/resident"
	"github.com/aladin-go/aladin/internal/vector"
)

// ranker aligns on the model's GPU; nil if it has none.
func (m *Model) ranker() (*resident.Ranker, error) {
	if !m.opts.onGPU() || !m.mode.MaxSim() {
		return nil, nil
	}
	r, err := m.aligner.get()
	if err != nil || r.Device() == "cpu" { // "auto" may have found no GPU
		return nil, err
	}
	return r, nil
}

func (m *Model) openRanker() (*resident.Ranker, error) {
	return resident.New(m.dim(), m.opts.DeviceMemory, m.opts.runtime())
}

// device is what a search aligns with; nil is the CPU.
func (m *Model) device() (index.Device, error) {
	if !m.opts.AlignOnDevice {
		return nil, nil
	}
	r, err := m.ranker()
	if r == nil {
		return nil, err
	}
	return indexDevice{m, r}, nil
}

// indexDevice is a ranker as an index uses it.
type indexDevice struct {
	m *Model
	r *resident.Ranker
}

// Align implements index.Device.
func (d indexDevice) Align(ctx context.Context, words, weights []float32, t *index.DeviceTokens, spans []index.Span, scores []float32) (bool, error) {
	if err := d.m.enter(); err != nil {
		return false, err
	}
	defer d.m.calls.Done()
	if t.Dim != d.m.dim() {
		return false, nil
	}
	return d.r.Align(ctx, []resident.Query{{Tokens: words, Weights: weights}}, resident.Block{Key: t.Key, N: t.N, Load: t.Load}, toSpans(spans), scores)
}

func toSpans(spans []index.Span) []resident.Span {
	out := make([]resident.Span, len(spans))
	for i, s := range spans {
		out[i] = resident.Span(s)
	}
	return out
}

// Sizes of a run on a device: they bound what its arrays take.
const (
	deviceCaptions = 32
	deviceImages   = 512
)

// An alignRun is a call of AlignScores that waits for the GPU.
type alignRun struct {
	captions, images []*Encoding
	out              []float32
}

// runAligns runs calls one after another, so that the regions of one are on the device at a time. Those that
// are about the same images become one.
func (m *Model) runAligns(ctx context.Context, all []*alignRun) error {
	r, err := m.aligner.get()
	if err != nil {
		return err
	}
	for len(all) > 0 {
		images := all[0].images
		var same, others []*alignRun
		var captions []*Encoding
		for _, r := range all {
			if slices.Equal(r.images, images) {
				same, captions = append(same, r), append(captions, r.captions...)
			} else {
				others = append(others, r)
			}
		}
		out := make([]float32, len(captions)*len(images))
		if err := m.alignDevice(ctx, r, captions, images, out); err != nil {
			return err
		}
		for _, r := range same {
			out = out[copy(r.out, out):]
		}
		all = others
	}
	return nil
}

// alignDevice aligns captions and images in pieces on a device, or by the kernels where it has no room for them.
func (m *Model) alignDevice(ctx context.Context, r *resident.Ranker, captions, images []*Encoding, out []float32) error {
	queries := make([]resident.Query, len(captions))
	for i, c := range captions {
		queries[i] = resident.Query{Tokens: c.Tokens, Weights: c.Weights}
	}
	for from := 0; from < len(images); from += deviceImages {
		block, spans, err := m.blockOf(images[from:min(from+deviceImages, len(images))])
		if err != nil {
			return err
		}
		ok, err := alignBlock(ctx, r, queries, block, spans, out[from:], len(images))
		if err != nil {
			return err
		}
		if !ok {
			return m.alignKernels(ctx, captions, images, out)
		}
	}
	return nil
}

// blockOf makes one block of the regions of images.
func (m *Model) blockOf(images []*Encoding) (resident.Block, []resident.Span, error) {
	layout, err := vector.NewTokens(vector.Int8, m.dim())
	if err != nil {
		return resident.Block{}, nil, err
	}
	spans, blocks := make([]resident.Span, len(images)), make([][]byte, len(images))
	n := 0
	for i, x := range images {
		if blocks[i], err = layout.AppendBlock(nil, x.Tokens, x.Weights); err != nil {
			return resident.Block{}, nil, err
		}
		spans[i] = resident.Span{First: n, N: x.N()}
		n += x.N()
	}
	return resident.Block{Key: new(byte), N: n, Load: func(codes []byte, scales []float32) error {
		for i, s := range spans {
			layout.Unpack(blocks[i], codes[s.First*vector.Stride(m.dim()):], scales[s.First:])
		}
		return nil
	}}, spans, nil
}

// alignBlock aligns queries with a block that is on the device no longer than that. The scores of a query are width apart.
func alignBlock(ctx context.Context, r *resident.Ranker, queries []resident.Query, block resident.Block, spans []resident.Span, out []float32, width int) (bool, error) {
	defer func() { _ = r.Drop(block.Key) }()
	scores := make([]float32, deviceCaptions*len(spans))
	for at := 0; at < len(queries); at += deviceCaptions {
		some := queries[at:min(at+deviceCaptions, len(queries))]
		if ok, err := r.Align(ctx, some, block, spans, scores); err != nil || !ok {
			return false, err
		}
		for i := range some {
			copy(out[(at+i)*width:], scores[i*len(spans):(i+1)*len(spans)])
		}
	}
	return true, nil
}
