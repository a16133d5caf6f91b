package model

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/bundle"
	"github.com/aladin-go/aladin/internal/clip"
	"github.com/aladin-go/aladin/internal/input"
	"github.com/aladin-go/aladin/internal/training/config"
)

// Files of CLIP's text tower in a bundle.
const (
	clipTower  = "clip.onnx"
	clipMerges = "clip-merges.txt"
)

// AttachCLIP gives a model CLIP's text tower; graph and merges write its files into the model's bundles. What
// is read of it is the network's to say, or SetCLIP's.
func (m *Model) AttachCLIP(tower *clip.Tower, aggregate bool, graph, merges func(io.Writer) error) {
	m.Text.CLIP = &input.CLIP{Tower: tower, Captions: m.Net.CLIPCaptions, Labels: m.Net.CLIPLabels, Aggregate: aggregate}
	m.clipFiles = map[string]func(io.Writer) error{clipTower: graph, clipMerges: merges}
}

// SetCLIP makes the model read vectors of its text tower in place of the word pieces of captions, of labels
// or of both, as the configuration says (ALADIN-2.0). The layers that take the vectors to the hidden size
// start from nothing where the model has none. The tower itself is not trained.
func (m *Model) SetCLIP(ctx context.Context, cfg *config.Config) error {
	net := &m.Net
	switch {
	case !cfg.EnableCLIPCaptions && !cfg.EnableCLIPLabels:
		if net.CLIPCaptions > 0 || net.CLIPLabels > 0 {
			return fmt.Errorf("%w: the model to start from reads vectors of CLIP's text tower; say so with enable_clip_captions and enable_clip_labels", config.ErrConfig)
		}
		return nil
	case m.Text.CLIP == nil:
		return fmt.Errorf("%w: enable_clip_captions and enable_clip_labels need CLIP's text tower and its merges", config.ErrConfig)
	}
	sentence, token, err := m.Text.CLIP.Tower.Dims(ctx)
	if err != nil {
		return err
	}
	net.CLIPCaptions, net.CLIPLabels = 0, 0
	if cfg.EnableCLIPCaptions {
		if net.CLIPCaptions = token; token == 0 {
			return fmt.Errorf("%w: it gives no states of tokens, which enable_clip_captions needs", clip.ErrTower)
		}
	}
	if cfg.EnableCLIPLabels {
		net.CLIPLabels = sentence
	}
	m.Text.CLIP = &input.CLIP{Tower: m.Text.CLIP.Tower, Captions: net.CLIPCaptions, Labels: net.CLIPLabels, Aggregate: cfg.AggregationType == "labels"}
	if err := net.Validate(); err != nil {
		return fmt.Errorf("%w: %w", config.ErrConfig, err)
	}
	return nil
}

// clipManifest is what model.json says of the tower.
func (m *Model) clipManifest() (*bundle.TextTower, error) {
	c := m.Text.CLIP
	switch {
	case m.Net.CLIPCaptions == 0 && m.Net.CLIPLabels == 0:
		return nil, nil
	case c == nil:
		return nil, fmt.Errorf("%w: the network reads vectors of CLIP's text tower, and the model has none", config.ErrConfig)
	}
	return &bundle.TextTower{Tower: clipTower, Merges: clipMerges, Captions: c.Captions, Labels: c.Labels, Aggregate: c.Aggregate}, nil
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
	opened, err := input.OpenCLIP(b)
	if err != nil {
		return err
	}
	delete(m.RegionFiles, c.Tower)
	delete(m.RegionFiles, c.Merges)
	m.AttachCLIP(opened.Tower, c.Aggregate, bundle.FromFile(graph), bundle.FromFile(filepath.Join(b.Dir(), c.Merges)))
	return nil
}
