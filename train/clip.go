package train

import (
	"context"
	"fmt"
	"io"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/ort"
)

// Files of CLIP's text tower in a bundle.
const (
	clipTower  = "clip.onnx"
	clipMerges = "clip-merges.txt"
)

// SetCLIP makes the model read vectors of CLIP's text tower in place of the word pieces of captions, of
// labels or of both, as the configuration says (ALADIN-2.0). graph and merges write the tower's files into
// the model's bundles. The layers that take the vectors to the hidden size start from nothing where the
// model has none. The tower itself is not trained.
func (m *Model) SetCLIP(ctx context.Context, cfg *Config, tower *clip.Tower, graph, merges func(io.Writer) error) error {
	sentence, token, err := tower.Dims(ctx)
	if err != nil {
		return err
	}
	m.Net.CLIPCaptions, m.Net.CLIPLabels = 0, 0
	if cfg.EnableCLIPCaptions {
		m.Net.CLIPCaptions = token
		if token == 0 {
			return fmt.Errorf("%w: it gives no states of tokens, which enable_clip_captions needs", clip.ErrTower)
		}
	}
	if cfg.EnableCLIPLabels {
		m.Net.CLIPLabels = sentence
	}
	m.AttachCLIP(tower, cfg.AggregationType == "labels", graph, merges)
	return m.Net.Validate()
}

// AttachCLIP gives a model whose network reads CLIP's vectors the tower that makes them.
func (m *Model) AttachCLIP(tower *clip.Tower, aggregate bool, graph, merges func(io.Writer) error) {
	m.Text.CLIP = &input.CLIP{Tower: tower, Captions: m.Net.CLIPCaptions, Labels: m.Net.CLIPLabels, Aggregate: aggregate}
	files := map[string]func(io.Writer) error{clipTower: graph, clipMerges: merges}
	for name, write := range m.RegionFiles {
		if _, ours := files[name]; !ours {
			files[name] = write
		}
	}
	m.RegionFiles = files
}

// clipManifest is what model.json says of the tower.
func (m *Model) clipManifest() (*bundle.TextTower, error) {
	reads := m.Net.CLIPCaptions > 0 || m.Net.CLIPLabels > 0
	if c := m.Text.CLIP; c != nil && reads {
		return &bundle.TextTower{Tower: clipTower, Merges: clipMerges, Captions: c.Captions, Labels: c.Labels, Aggregate: c.Aggregate}, nil
	} else if reads {
		return nil, fmt.Errorf("%w: the network reads vectors of CLIP's text tower, and the model has none", ErrConfig)
	}
	return nil, nil
}

// loadCLIP opens the tower of a bundle.
func (m *Model) loadCLIP(b *bundle.Bundle) error {
	c := b.Manifest.CLIP
	if c == nil {
		return nil
	}
	graph, err := b.Path(c.Tower)
	if err != nil {
		return err
	}
	merges, err := b.Path(c.Merges)
	if err != nil {
		return err
	}
	tower, err := clip.Open(graph, merges)
	if err != nil {
		return err
	}
	delete(m.RegionFiles, c.Tower)
	delete(m.RegionFiles, c.Merges)
	m.AttachCLIP(tower, c.Aggregate, bundle.FromFile(graph), bundle.FromFile(merges))
	return nil
}

// checkCLIP refuses what a configuration asks of word pieces where there are none.
func (c *Config) checkCLIP() error {
	if c.AggregationType != "" && c.AggregationType != "labels" {
		return fmt.Errorf("%w: aggregation_type is %q; known are labels and none", ErrConfig, c.AggregationType)
	}
	if !c.EnableCLIPCaptions {
		return nil
	}
	for key, on := range map[string]bool{"encoder.word-dropout": c.Encoder.WordDropout > 0, "encoder.word-gates": c.Encoder.WordGates,
		"model.exclude-stopwords": c.Model.ExcludeStopwords, "encoder.start: cca": c.Encoder.Start == "cca"} {
		if on {
			return fmt.Errorf("%w: %s works on word pieces, of which a caption has none with enable_clip_captions", ErrConfig, key)
		}
	}
	return nil
}

// clipDevice puts the tower where the run is.
func (w *worker) clipDevice() {
	if c := w.Model.Text.CLIP; c != nil {
		c.Tower.Options = ort.Options{Threads: w.Threads, Device: w.Device}
	}
}
