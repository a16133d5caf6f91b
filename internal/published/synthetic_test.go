package published_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/published"
	"github.com/aladin-go/aladin/internal/safetensors"
	"github.com/aladin-go/aladin/internal/tokenizer"
	"github.com/aladin-go/aladin/internal/torch"
	"github.com/aladin-go/aladin/internal/training/model"
	"github.com/aladin-go/aladin/internal/training/param"
)

// pieces is a vocabulary for synthetic models.
var pieces = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "cat", "red", "##s", "."}

// smallNet is a published model in little.
func smallNet() nn.Config {
	return nn.Config{
		Layers: 2, Hidden: 16, Heads: 4, FF: 32, Vocab: len(pieces), MaxPositions: 12, Types: 2, LayerNormEps: 1e-12,
		RegionDim: 14, RegionLayerNorm: true, RegionLayerNormEps: 1e-12,
		MatchLayers: 1, MatchHeads: 4, MatchFF: 16, Alignment: "MrSw", ReleasedAlignment: true,
	}
}

// seeded are parameters that a seed decides. Those that would start as constants are disturbed, so that no
// mistake hides behind a zero.
type seeded uint64

func (s seeded) Values(p nn.Param) ([]float32, error) {
	v := p.Start(uint64(s))
	noise := nn.Param{Name: p.Name + "?", Shape: p.Shape, Init: nn.InitNormal}.Start(uint64(s))
	for i := range v {
		v[i] += 3 * noise[i]
	}
	return v, nil
}

func source(t testing.TB, net nn.Config, w nn.Weights) published.Source {
	return published.Source{Net: net, MaxCaption: 10, MaxLabels: 8, MaxRegions: 5, Weights: w,
		Tokenizer: wordPieces(t), FirstLabel: "[UNK]"}
}

// export writes a synthetic checkpoint with its backbone's folder.
func export(t testing.TB, s published.Source) (checkpoint, backbone string) {
	t.Helper()
	dir := t.TempDir()
	checkpoint, backbone = filepath.Join(dir, "checkpoint.pth.tar"), filepath.Join(dir, "backbone")
	require.NoError(t, published.Export(checkpoint, s))
	require.NoError(t, published.ExportBackbone(backbone, s))
	return checkpoint, backbone
}

func read(t testing.TB, o published.Options) *published.Model {
	t.Helper()
	m, err := published.Read(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// values are all parameters by name.
func values(t testing.TB, params []nn.Param, w nn.Weights) map[string][]float32 {
	t.Helper()
	out := map[string][]float32{}
	for _, p := range params {
		v, err := w.Values(p)
		require.NoError(t, err)
		out[p.Name] = slices.Clone(v)
	}
	return out
}

func TestHeads(t *testing.T) {
	for name, change := range map[string]func(*nn.Config){
		"as published":               func(*nn.Config) {},
		"no region normalisation":    func(c *nn.Config) { c.RegionLayerNorm = false },
		"layers before alignment":    func(c *nn.Config) { c.AlignLayers = 2 },
		"separate ones":              func(c *nn.Config) { c.AlignLayers, c.SeparateAlign = 1, true },
		"gated depth for matching":   func(c *nn.Config) { c.DepthAggregation = "gated" },
		"mean depth for matching":    func(c *nn.Config) { c.DepthAggregation = "mean" },
		"post-layers":                func(c *nn.Config) { c.DepthAggregation, c.PostLayers = "gated", 1 },
		"depth for alignment":        func(c *nn.Config) { c.AlignDepthAggregation = "gated" },
		"mean depth for alignment":   func(c *nn.Config) { c.AlignDepthAggregation, c.DepthAggregation = "mean", "gated" },
		"four matching layers":       func(c *nn.Config) { c.MatchLayers = 4 },
		"another mode":               func(c *nn.Config) { c.Alignment = "scan-sentences" },
		"Detic alone":                func(c *nn.Config) { c.RegionDim = 1030 },
		"Detic padded":               func(c *nn.Config) { c.RegionDim, c.DeticIn, c.DeticHidden = 2054, 1030, 24 },
		"Detic padded, one layer":    func(c *nn.Config) { c.RegionDim, c.DeticIn, c.SingleLayers = 2054, 1030, true },
		"CLIP's labels, one layer":   func(c *nn.Config) { c.CLIPLabels, c.SingleLayers = 10, true },
		"CLIP's captions and labels": func(c *nn.Config) { c.CLIPCaptions, c.CLIPLabels = 12, 12 },
		"CLIP's labels":              func(c *nn.Config) { c.CLIPLabels = 10 },
		"our own kind": func(c *nn.Config) {
			c.PreNorm, c.MeanPool, c.WordGates, c.Standardise, c.AlignProjection, c.MatchProjection, c.ReleasedAlignment = true, true, true, true, true, true, false
		},
	} {
		t.Run(name, func(t *testing.T) {
			net := smallNet()
			change(&net)
			s := source(t, net, seeded(1))
			s.Aggregate = net.CLIPLabels > 0
			if !net.ReleasedAlignment {
				s.FirstLabel = "[CLS]"
			}
			checkpoint, backbone := export(t, s)
			m := read(t, published.Options{Checkpoint: checkpoint, Backbone: backbone})
			require.Equal(t, nn.Dropout{Hidden: 0.1, Attention: 0.1, Source: "config.json"}, m.Net.Dropout)
			net.Dropout = m.Net.Dropout
			require.Equal(t, net, m.Net)
			require.Equal(t, [3]int{10, 8, 5}, [3]int{m.MaxCaption, m.MaxLabels, m.MaxRegions})
			require.Equal(t, s.FirstLabel, m.FirstLabel)
			require.Equal(t, s.Aggregate, m.Aggregate)
			require.Empty(t, m.Fresh)
			require.Empty(t, m.Unused)
			require.Equal(t, values(t, m.Params, s.Weights), values(t, m.Params, m))
		})
	}
}

// A backbone alone gets fresh heads that depend on the seed only.
func TestBackboneAlone(t *testing.T) {
	_, backbone := export(t, source(t, smallNet(), seeded(1)))
	m := read(t, published.Options{Backbone: backbone, Seed: 5})
	require.False(t, m.Net.ReleasedAlignment)
	require.Equal(t, "[CLS]", m.FirstLabel)
	require.NotEmpty(t, m.Fresh)
	for _, p := range m.Fresh {
		require.True(t, strings.HasPrefix(p.Name, "img_txt_enc.final_projection_net."), p.Name)
	}
	other := read(t, published.Options{Backbone: backbone, Seed: 5, Released: true, RegionDim: 20, MatchLayers: 3})
	require.True(t, other.Net.ReleasedAlignment)
	require.Equal(t, "[UNK]", other.FirstLabel)
	require.Equal(t, 20, other.Net.RegionDim)
	require.Equal(t, 3, other.Net.MatchLayers)
	a, b := values(t, m.Params, m), values(t, other.Params, other)
	for name, v := range a {
		if !strings.Contains(name, "img_embedding") {
			require.Equal(t, v, b[name], name)
		}
	}
}

// Plain BERT folders in the three spellings of names that are about.
func TestPlainBERT(t *testing.T) {
	full, backbone := export(t, source(t, smallNet(), seeded(1)))
	whole := read(t, published.Options{Checkpoint: full, Backbone: backbone})
	want := values(t, whole.Params, whole)
	for spelling, rename := range map[string]func(string) string{
		"BertModel":         func(s string) string { return s },
		"BertForMaskedLM":   func(s string) string { return "bert." + s },
		"converted from TF": func(s string) string { return "bert." + oldNorm(s) },
	} {
		for _, form := range []string{"model.safetensors", "pytorch_model.bin"} {
			t.Run(spelling+" "+form, func(t *testing.T) {
				dir := plainBERT(t, want, rename, form, nil)
				m := read(t, published.Options{Backbone: dir})
				require.Equal(t, 2054, m.Net.RegionDim)
				require.True(t, m.Net.RegionLayerNorm)
				got := values(t, m.Params, m)
				for name, v := range want {
					if strings.Contains(name, "bert.embeddings.") || strings.Contains(name, "bert.encoder.") {
						require.Equal(t, v, got[name], name)
					}
				}
				for _, p := range m.Fresh {
					require.NotContains(t, p.Name, "bert.e")
				}
				require.Len(t, m.Unused, 1)
				require.NotEmpty(t, m.Unused[0].Why)
			})
		}
	}
}

func oldNorm(s string) string {
	if strings.Contains(s, "LayerNorm.") {
		s = strings.Replace(strings.Replace(s, ".weight", ".gamma", 1), ".bias", ".beta", 1)
	}
	return s
}

func bertConfig(change map[string]any) []byte {
	c := map[string]any{"architectures": []string{"BertModel"}, "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2,
		"num_attention_heads": 4, "intermediate_size": 32, "vocab_size": len(pieces), "max_position_embeddings": 12,
		"type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
	maps.Copy(c, change)
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return text
}

func TestBadBackbones(t *testing.T) {
	for name, c := range map[string]struct {
		config []byte
		want   string
	}{
		"no JSON":      {[]byte("{"), "config.json"},
		"RoBERTa":      {bertConfig(map[string]any{"model_type": "roberta"}), `model_type is "roberta"`},
		"ReLU":         {bertConfig(map[string]any{"hidden_act": "relu"}), `hidden_act is "relu"`},
		"no size":      {bertConfig(map[string]any{"hidden_size": nil}), `"hidden_size" is missing`},
		"negative":     {bertConfig(map[string]any{"vocab_size": -3}), `"vocab_size" is -3`},
		"fraction":     {bertConfig(map[string]any{"hidden_size": 16.5}), `"hidden_size" is 16.5`},
		"huge":         {bertConfig(map[string]any{"hidden_size": 1e12}), `"hidden_size" is`},
		"heads":        {bertConfig(map[string]any{"num_attention_heads": 5}), "no multiple"},
		"small vocab":  {bertConfig(map[string]any{"vocab_size": 7}), "11 pieces"},
		"more layers":  {bertConfig(map[string]any{"num_hidden_layers": 3}), "encoder.layer.2.attention.self.query.weight [16 16] is missing"},
		"wider":        {bertConfig(map[string]any{"intermediate_size": 64}), "has shape [32 16], the network wants [64 16]"},
		"few position": {bertConfig(map[string]any{"max_position_embeddings": 6}), "positions for 6"},
	} {
		t.Run(name, func(t *testing.T) {
			full, backbone := export(t, source(t, smallNet(), seeded(1)))
			whole := read(t, published.Options{Checkpoint: full, Backbone: backbone})
			dir := plainBERT(t, values(t, whole.Params, whole), func(s string) string { return s }, "model.safetensors", c.config)
			_, err := published.Read(published.Options{Backbone: dir, MaxCaption: 8, MaxLabels: 8})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, dir)
		})
	}
	_, err := published.Read(published.Options{Backbone: t.TempDir()})
	require.ErrorIs(t, err, published.ErrBackbone)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A model that got other heads since it was imported says so in its checkpoint.
func TestExportOtherHeads(t *testing.T) {
	checkpoint, backbone := export(t, source(t, smallNet(), seeded(1)))
	m := read(t, published.Options{Checkpoint: checkpoint, Backbone: backbone})
	net := m.Net
	net.MatchLayers, net.AlignLayers, net.SeparateAlign, net.Alignment = 3, 1, true, "MwSr"
	s := source(t, net, seeded(2))
	s.Kept = m.Kept()
	checkpoint, _ = export(t, s)
	again := read(t, published.Options{Checkpoint: checkpoint, Backbone: backbone})
	require.Equal(t, net, again.Net)
	require.Equal(t, values(t, again.Params, seeded(2)), values(t, again.Params, again))
}

// What only losses read is told apart from the network, and kept.
func TestTrainingTensors(t *testing.T) {
	checkpoint, backbone := export(t, source(t, smallNet(), seeded(1)))
	f, err := torch.Open(checkpoint)
	require.NoError(t, err)
	defer f.Close()
	model, err := torch.StateDict(f.Value(), "model")
	require.NoError(t, err)
	dict := &torch.Dict{Ordered: true}
	for name, x := range model.All() {
		dict.Set(name, x)
	}
	wb, err := torch.NewTensor([]int{2}, []float32{0.5, 0.25})
	require.NoError(t, err)
	dict.Set("distillation_loss.wb", wb)
	config, err := torch.Lookup(f.Value(), "config")
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "checkpoint.pth.tar")
	require.NoError(t, torch.Save(other, torch.NewDict("model", dict, "config", config)))
	_, err = published.Read(published.Options{Checkpoint: other, Backbone: backbone})
	require.ErrorContains(t, err, "positions for 12", "without opt, lengths are the defaults")
	m := read(t, published.Options{Checkpoint: other, Backbone: backbone, MaxCaption: 10, MaxLabels: 10})
	all, err := m.Tensors()
	require.NoError(t, err)
	require.Contains(t, all, published.Tensor{Name: "distillation_loss.wb", Shape: []int{2}, Values: []float32{0.5, 0.25}})
	require.Len(t, m.Unused, 1)
	_, err = m.Optimizer()
	require.ErrorIs(t, err, published.ErrOptimizer)
}

// The files of a model that was trained here come back as they were.
func TestOwnModelRoundTrip(t *testing.T) {
	net := smallNet()
	params := param.NewSet()
	list, err := nn.Parameters(net)
	require.NoError(t, err)
	for _, p := range list {
		v, err := seeded(3).Values(p)
		require.NoError(t, err)
		params.Set(p.Name, p.Shape, v)
	}
	wp := wordPieces(t)
	own := &model.Model{Name: "own", Net: net, Params: params, MaxRegions: 5, Text: input.Text{Tokenizer: wp, MaxCaption: 10, MaxLabels: 8, FirstLabel: wp.UNK()}}
	own.Regions.Kind = "precomputed"
	dir := filepath.Join(t.TempDir(), "own")
	_, err = own.Save(dir)
	require.NoError(t, err)
	back, err := model.Load(dir)
	require.NoError(t, err)
	s := source(t, back.Net, back.Params)
	checkpoint, backbone := export(t, s)
	m := read(t, published.Options{Checkpoint: checkpoint, Backbone: backbone})
	require.Equal(t, values(t, list, params), values(t, m.Params, m))
	first, err := os.ReadFile(checkpoint)
	require.NoError(t, err)
	again, _ := export(t, s)
	second, err := os.ReadFile(again)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, second), "the same model gives the same bytes")
}

// plainBERT writes a Hugging Face folder with the encoder out of params, and a pooler.
func plainBERT(t testing.TB, params map[string][]float32, rename func(string) string, form string, config []byte) string {
	t.Helper()
	dir := t.TempDir()
	if config == nil {
		config = bertConfig(nil)
	}
	list, err := nn.Parameters(smallNet())
	require.NoError(t, err)
	shapes := map[string][]int{}
	for _, p := range list {
		shapes[p.Name] = p.Shape
	}
	files, dict := map[string]*safetensors.Tensor{}, &torch.Dict{Ordered: true}
	add := func(name string, shape []int, v []float32) {
		files[rename(name)] = safetensors.NewTensor(shape, v)
		x, err := torch.NewTensor(shape, v)
		require.NoError(t, err)
		dict.Set(rename(name), x)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		rest, ok := strings.CutPrefix(name, "img_txt_enc.oscar_model.bert.")
		if ok && (strings.HasPrefix(rest, "embeddings.") || strings.HasPrefix(rest, "encoder.")) {
			add(rest, shapes[name], params[name])
		}
	}
	add("pooler.dense.weight", []int{2}, []float32{1, 2})
	path := filepath.Join(dir, form)
	if form == "model.safetensors" {
		require.NoError(t, safetensors.Save(path, files, map[string]string{"format": "pt"}))
	} else {
		require.NoError(t, torch.Save(path, dict))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "vocab.txt"), []byte(strings.Join(pieces, "\n")+"\n"), 0o644))
	return dir
}

func wordPieces(t testing.TB) *tokenizer.WordPiece {
	t.Helper()
	wp, err := tokenizer.NewWordPiece(pieces, nil)
	require.NoError(t, err)
	return wp
}
