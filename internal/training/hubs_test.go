package training

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/encode"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/state"
	"github.com/aladin-go/aladin/internal/training/toy"
)

// TestHubs trains a model that tells hubs, and runs the encoders that it leaves: vectors, words and regions are as
// much shorter as the formula says, and scores are those by which the run was validated.
func TestHubs(t *testing.T) {
	toy.NeedRuntime(t)
	for _, mode := range []string{"MrSw", "MrAVGw", nn.MrCOSw} {
		t.Run(mode, func(t *testing.T) {
			r := toyRun(t, t.TempDir(), func(c *config.Config) { c.Training.Epochs, c.Encoder.HubnessBank = 1, 9 })
			r.Model.Net.Alignment = mode
			best, err := r.Do(t.Context())
			require.NoError(t, err)
			m, err := model.Load(filepath.Join(r.Dir, "model"))
			require.NoError(t, err)
			require.Equal(t, 9, m.Net.Hubs)
			beta := float64(m.Net.HubScale)
			require.InDelta(t, 0.7*3, beta, 1e-6)

			val := validatorOf(t, m, r.Val)
			var texts []string
			for _, c := range r.Val.Captions {
				texts = append(texts, c.Text)
			}
			captions, err := val.Enc.Captions(t.Context(), m.Params, texts, nil)
			require.NoError(t, err)
			images, err := val.Enc.Images(t.Context(), m.Params, r.Val.Images, nil)
			require.NoError(t, err)
			rawText, rawImage := captions.Matching, images.Matching
			captions.Matching, images.Matching = append([]float32(nil), rawText...), append([]float32(nil), rawImage...)

			h := &encode.Hubs{N: 9, Dim: m.Net.Hidden, Scale: m.Net.HubScale, Captions: m.Params.Lookup(nn.HubCaptions).Data, Images: m.Params.Lookup(nn.HubImages).Data}
			require.NoError(t, h.Shorten(t.Context(), images, captions))
			shorter := 0
			for _, side := range []struct {
				raw, bank []float32
				got       *encode.Side
			}{{rawText, h.Images, captions}, {rawImage, h.Captions, images}} {
				for i, share := range side.got.Shares {
					v := side.raw[i*h.Dim:][:h.Dim]
					want := 0.
					for j := range h.N {
						dot := 0.
						for k, x := range side.bank[j*h.Dim:][:h.Dim] {
							dot += float64(x) * float64(v[k])
						}
						want += math.Exp(beta * dot)
					}
					want = min(1, math.Pow(want/9, -1/beta))
					require.InDelta(t, want, share, 1e-5)
					require.InDelta(t, float64(v[0])*want, side.got.Matching[i*h.Dim], 1e-5)
					if want < 0.95 {
						shorter++
					}
				}
			}
			require.Greater(t, shorter, 3)

			// What the bundle's encoders give.
			text := exported(t, m, nn.TextModel, func() map[string]*ort.Tensor {
				var seqs [][]int64
				for _, s := range texts {
					seqs = append(seqs, m.Text.Caption(s).IDs)
				}
				c, err := m.Text.PadCaptions(t.Context(), seqs)
				require.NoError(t, err)
				return c.Tensors()
			}())
			image := exported(t, m, nn.ImageModel, func() map[string]*ort.Tensor {
				var sets []*region.Set
				var tags [][]string
				for i := range r.Val.Images.Len() {
					set, err := r.Val.Images.Load(t.Context(), i, 0)
					require.NoError(t, err)
					sets, tags = append(sets, set), append(tags, set.ObjectTags())
				}
				x, err := m.Text.PadImages(t.Context(), tags, sets, m.MaxRegions, m.Net.RegionDim)
				require.NoError(t, err)
				return x.Tensors()
			}())
			require.InDeltaSlice(t, captions.Matching, text["matching"].Float32(), 1e-5)
			require.InDeltaSlice(t, images.Matching, image["matching"].Float32(), 1e-5)

			a := &encode.Scores{Session: val.Scores, Ctx: t.Context(), Images: images, Captions: captions}
			n, c := a.Dims()
			want, rows := make([]float32, n*c), make([]int, n)
			for i := range rows {
				rows[i] = i
			}
			require.NoError(t, a.Rows(rows, want))
			for i := range n {
				for j := range c {
					require.InDelta(t, want[i*c+j], maxSim(image, i, text, j), 1e-4)
				}
			}

			again, err := val.Run(t.Context(), m.Params, h, nil)
			require.NoError(t, err)
			require.Equal(t, best, again)
		})
	}
}

// exported runs an encoder as a bundle has it.
func exported(t *testing.T, m *model.Model, build func(nn.Config, nn.Weights) (*onnx.Model, error), in map[string]*ort.Tensor) map[string]*ort.Tensor {
	t.Helper()
	model, err := build(m.Net, m.Params)
	require.NoError(t, err)
	s, err := ort.Load(model.Marshal(), &ort.Options{Threads: 1})
	require.NoError(t, err)
	defer s.Close()
	out, err := s.Run(t.Context(), in)
	require.NoError(t, err)
	return out
}

// maxSim is the score of an encoded image and caption, from nothing but tokens and weights.
func maxSim(image map[string]*ort.Tensor, i int, text map[string]*ort.Tensor, j int) (sum float64) {
	shape := image["tokens"].Shape()
	rows, dim, words := int(shape[1]), int(shape[2]), int(text["tokens"].Shape()[1])
	for w := range words {
		best := math.Inf(-1)
		for r := range rows {
			if image["weights"].Float32()[i*rows+r] == 0 {
				continue
			}
			dot := 0.
			for k := range dim {
				dot += float64(image["tokens"].Float32()[(i*rows+r)*dim+k]) * float64(text["tokens"].Float32()[(j*words+w)*dim+k])
			}
			best = max(best, dot)
		}
		sum += best * float64(text["weights"].Float32()[j*words+w])
	}
	return sum
}

// A model that tells hubs is a teacher like any other, its run can be exported, and without validation data the
// banks are there, too.
func TestHubsLater(t *testing.T) {
	toy.NeedRuntime(t)
	r := toyRun(t, t.TempDir(), func(c *config.Config) { c.Training.Epochs, c.Encoder.HubnessBank = 1, 1000 })
	r.Val = nil
	_, err := r.Do(t.Context())
	require.NoError(t, err)
	kept := filepath.Join(r.Dir, "model")
	m, err := model.Load(kept)
	require.NoError(t, err)
	require.Equal(t, 12, m.Net.Hubs) // no more than there are images
	b, err := bundle.Open(kept)
	require.NoError(t, err)
	require.NoError(t, b.Verify(t.Context()))

	s, err := state.LoadSnapshot(filepath.Join(r.Dir, "last"))
	require.NoError(t, err)
	require.Zero(t, s.Model.Net.Hubs)

	cfg := *r.Config
	cfg.Model.TernLayers, cfg.Encoder.HeadFF = r.Model.Net.MatchLayers, r.Model.Net.MatchFF
	student, err := m.Adapted(&cfg)
	require.NoError(t, err)
	require.Zero(t, student.Net.Hubs)
	fit, err := student.Fit(&cfg)
	require.NoError(t, err)
	require.Empty(t, fit.Left) // but its banks, of which nobody need know
	require.Nil(t, student.Params.Lookup(nn.HubImages))
}
