// Package testmodel makes small models with random weights, for tests of everything around a model: they
// encode in a millisecond, the same everywhere, and know nothing.
package testmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/scenes"
	"github.com/aladin-go/aladin/internal/tokenizer"
)

// Options choose a model. The zero value starts from patches of 32×32 pictures.
type Options struct {
	Name        string // default "tiny"
	Seed        uint64 // of the weights
	Precomputed bool   // regions come from elsewhere, with RegionDim features
	RegionDim   int    // of a precomputed model; default 12
	Released    bool   // with the habits of published models: no last word piece, a null region
	Learned     bool   // it says that its words are what it was trained with
	Seen        bundle.WordCounts
	Layers      int  // of the encoder; default 1
	Hidden      int  // a multiple of 4; default 32
	Calibrated  bool // a search ranks by alignment plus matching
	MeanPool    bool // matching vectors are means
}

// New makes a model in a folder of the test's and returns the folder.
func New(tb testing.TB, o Options) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "tiny.model")
	if err := Write(dir, o); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// vocabulary is that of the scenes' captions.
var vocabulary = sync.OnceValue(func() []string {
	gen := scenes.New(1, nil)
	var texts []string
	for i := range 200 {
		for _, c := range gen.Describe(i).Captions {
			texts = append(texts, c.Text)
		}
	}
	return tokenizer.BuildVocab(slices.Values(texts), 400, 2)
})

// patches is the region source of models that start from pixels.
const patches = `{"kind": "patches", "patches": {"size": 32, "patch": 8}}`

// Write makes a model in the folder dir.
func Write(dir string, o Options) error {
	if o.Name == "" {
		o.Name = "tiny"
	}
	regions := bundle.Regions{Kind: bundle.Patches, Config: json.RawMessage(patches)}
	dim := 8 * 8 * 3
	if o.Precomputed {
		regions = bundle.Regions{Kind: bundle.Precomputed}
		if dim = o.RegionDim; dim == 0 {
			dim = 12
		}
	}
	vocab := vocabulary()
	net := nn.Config{
		Layers: 1, Hidden: 32, Heads: 4, FF: 48, Vocab: len(vocab), MaxPositions: 40, Types: 2, LayerNormEps: 1e-12,
		RegionDim: dim, MatchLayers: 1, MatchHeads: 4, MatchFF: 32, Alignment: "MrSw", ReleasedAlignment: o.Released, MeanPool: o.MeanPool,
	}
	if o.Layers > 0 {
		net.Layers = o.Layers
	}
	if o.Hidden > 0 {
		net.Hidden, net.FF, net.MatchFF = o.Hidden, 4*o.Hidden, 4*o.Hidden
	}
	var list bytes.Buffer
	if err := tokenizer.WriteVocab(&list, vocab); err != nil {
		return err
	}
	files := map[string]func(io.Writer) error{bundle.VocabFile: bundle.FromBytes(list.Bytes())}
	for name, build := range map[string]func() (*onnx.Model, error){
		bundle.TextFile:  func() (*onnx.Model, error) { return nn.TextModel(net, weights(o.Seed)) },
		bundle.ImageFile: func() (*onnx.Model, error) { return nn.ImageModel(net, weights(o.Seed)) },
		bundle.AlignFile: func() (*onnx.Model, error) { return nn.AlignModel(net) },
	} {
		m, err := build()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files[name] = func(w io.Writer) error { _, err := m.WriteTo(w); return err }
	}
	if o.Seen != nil {
		files[bundle.WordsFile] = o.Seen.Write
	}
	wp, err := tokenizer.NewWordPiece(vocab, &tokenizer.Options{Learned: o.Learned})
	if err != nil {
		return err
	}
	var calibration *bundle.Calibration
	if o.Calibrated {
		calibration = &bundle.Calibration{MatchWeight: 0.5, AlignSpread: 4, MatchSpread: 0.5}
	}
	_, err = bundle.Create(dir, bundle.Manifest{
		Name: o.Name, Dims: bundle.Dims{Embed: net.Hidden, Region: dim}, Lengths: bundle.Lengths{Caption: 24, Labels: 12, Regions: 20},
		Tokenizer: bundle.Tokenizer{Kind: bundle.WordPiece, File: bundle.VocabFile, Lowercase: true, Options: wp.BundleOptions()},
		Regions:   regions, Alignment: net.Alignment,
		Quirks:      bundle.Quirks{DropLastPiece: o.Released, NullRegion: o.Released},
		Calibration: calibration,
	}, files)
	return err
}

// weights start as training does.
type weights uint64

// Values implements nn.Weights.
func (w weights) Values(p nn.Param) ([]float32, error) { return p.Start(uint64(w)), nil }
