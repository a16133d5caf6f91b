package devicetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin"
	"github.com/aladin-go/aladin/internal/align"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/resident"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/testmodel"
	"github.com/aladin-go/aladin/internal/training/workload"
)

// measure reports the times of a piece of work on the device, and how many times as long the CPU takes.
func measure(b *testing.B, onCPU, onDevice func()) {
	onCPU()
	onDevice() // shaders, arenas
	var took [2]time.Duration
	for b.Loop() {
		for i, f := range []func(){onCPU, onDevice} {
			began := time.Now()
			f()
			took[i] += time.Since(began)
		}
	}
	b.ReportMetric(took[0].Seconds()*1e3/float64(b.N), "ms-cpu")
	b.ReportMetric(took[1].Seconds()*1e3/float64(b.N), "ms-device")
	b.ReportMetric(float64(took[0])/float64(took[1]), "times")
}

// BenchmarkAlign aligns captions of 12 words with candidates of up to 36 regions, by the kernels on all cores, and on the
// device where the regions lie already.
func BenchmarkAlign(b *testing.B) {
	need(b)
	for _, size := range [][3]int{{256, 200, 1}, {256, 5000, 1}, {256, 5000, 32}, {768, 200, 1}, {768, 5000, 1}, {768, 5000, 32}} {
		dim, n, captions := size[0], size[1], size[2]
		b.Run(fmt.Sprintf("dim=%d/candidates=%d/captions=%d", dim, n, captions), func(b *testing.B) {
			g := newGallery(b, dim, n, 36)
			var queries []resident.Query
			var kernels []*align.Query
			rng := newRand()
			for range captions {
				q := resident.Query{Tokens: unit(rng, 12, dim)}
				kernel, err := align.NewQuery(g.layout, q.Tokens, nil)
				require.NoError(b, err)
				queries, kernels = append(queries, q), append(kernels, kernel)
			}
			r, err := resident.New(dim, 0, &ort.Options{Device: device()})
			require.NoError(b, err)
			defer r.Close()
			scores, block := make([]float32, captions*n), g.block(0)
			measure(b, func() {
				for i, k := range kernels {
					require.NoError(b, k.ScoreAll(b.Context(), g.blocks, scores[i*n:(i+1)*n], 0))
				}
			}, func() {
				ok, err := r.Align(b.Context(), queries, block, g.spans, scores)
				require.NoError(b, err)
				require.True(b, ok)
			})
			s := r.Stats()
			b.ReportMetric(float64(s.Moved)/float64(s.Calls), "B-moved")
			b.ReportMetric(float64(s.Tokens)/float64(s.Calls), "B-of-tokens")
		})
	}
}

// BenchmarkEncode encodes 32 texts, and 16 pictures that start from patches, with a small network and one of BERT's size.
func BenchmarkEncode(b *testing.B) {
	need(b)
	gen := scenes.New(7, nil)
	var texts, pictures []aladin.Input
	for i := range 32 {
		s := gen.Scene(i)
		texts = append(texts, aladin.Text(s.Captions[0].Text))
		if i < 16 {
			pictures = append(pictures, aladin.Image(s.Image))
		}
	}
	for _, size := range []struct {
		name string
		testmodel.Options
	}{{"small", testmodel.Options{Layers: 4, Hidden: 256}}, {"base", testmodel.Options{Layers: 12, Hidden: 768}}} {
		dir := testmodel.New(b, size.Options)
		for _, kind := range []struct {
			name string
			ins  []aladin.Input
		}{{"texts", texts}, {"pictures", pictures}} {
			b.Run(size.name+"/"+kind.name, func(b *testing.B) {
				var models []*aladin.Model
				for _, where := range []string{ort.CPU, device()} {
					m, err := aladin.OpenModel(dir, &aladin.Options{Device: where, CacheTexts: -1})
					require.NoError(b, err)
					defer m.Close()
					models = append(models, m)
				}
				encode := func(m *aladin.Model) func() {
					return func() {
						_, err := m.EncodeBatch(b.Context(), kind.ins)
						require.NoError(b, err)
					}
				}
				measure(b, encode(models[0]), encode(models[1]))
			})
		}
	}
}

// BenchmarkTrainingStep makes whole training steps: forward, backward, clipping, Adam.
func BenchmarkTrainingStep(b *testing.B) {
	need(b)
	for _, size := range workload.Sizes {
		b.Run(size.Name, func(b *testing.B) {
			if testing.Short() && size.Net.Hidden > 256 {
				b.Skip("large: without -short")
			}
			step := func(where string) func() {
				s, err := size.Compile(where, nil)
				require.NoError(b, err)
				b.Cleanup(func() { s.Close() })
				return func() {
					_, err := s.Run(b.Context())
					require.NoError(b, err)
				}
			}
			measure(b, step(ort.CPU), step(device()))
		})
	}
}
