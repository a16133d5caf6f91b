package published

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/nn"
)

// Lengths of ALADIN's published runs, for checkpoints that do not say (the README's command line).
const (
	defaultMaxCaption = 50
	defaultMaxRegions = 34
)

// Keys of ALADIN-2.0: what is read as vectors of CLIP's text tower, and how labels are counted.
const (
	captionsKey  = "enable_clip_captions"
	labelsKey    = "enable_clip_labels"
	aggregateKey = "aggregation_type" // of opt
)

// lengths are the longest sequences.
type lengths struct{ caption, labels, regions int }

// applyConfig completes a network by a checkpoint's "config": what stands before the heads is the backbone's.
func applyConfig(cfg *nn.Config, s settings) error {
	m, t := s.in("model"), s.in("training")
	if n := m.integer("embed-size", 1, cfg.Hidden); n != cfg.Hidden {
		return fmt.Errorf("%s: embed-size is %d and the encoder's hidden size %d; the network has no layer between the two", m.where, n, cfg.Hidden)
	}
	const maxLayers = 100
	layers := func(key string, otherwise int) int {
		n := m.integer(key, 0, otherwise)
		if n > maxLayers {
			m.fail(key, n, fmt.Sprintf("at most %d layers", maxLayers))
			return otherwise
		}
		return n
	}
	cfg.MatchHeads, cfg.MatchFF = 4, cfg.Hidden
	cfg.AlignLayers = layers("teran-layers", 0)
	cfg.MatchLayers = layers("tern-layers", 2)
	cfg.PostLayers = layers("post-layers", 0)
	cfg.SeparateAlign = cfg.AlignLayers > 0 && !m.truth("shared-transformer", true)
	cfg.DepthAggregation = m.aggregation("depth-aggregation-matching")
	if !m.has("depth-aggregation-matching") {
		cfg.DepthAggregation = m.aggregation("depth-aggregation")
	}
	cfg.AlignDepthAggregation = m.aggregation("depth-aggregation-alignment")
	cfg.Alignment = t.text("alignment-mode", "MrSw")
	if s.truth("enable_clip", false) {
		s.fail("enable_clip", true, "enable_clip_captions and enable_clip_labels, which came in its place")
	}
	clip := func(key string, have int) int {
		if !s.truth(key, false) {
			return 0
		}
		return cmp.Or(have, nn.CLIPDim)
	}
	cfg.CLIPCaptions, cfg.CLIPLabels = clip(captionsKey, cfg.CLIPCaptions), clip(labelsKey, cfg.CLIPLabels)
	if *s.err != nil {
		return *s.err
	}
	if !slices.Contains(nn.AlignmentModes, cfg.Alignment) {
		return fmt.Errorf("%s: alignment-mode is %q; known are %q", t.where, cfg.Alignment, nn.AlignmentModes)
	}
	return cfg.Validate()
}

// optLengths reads the lengths from a checkpoint's "opt". ALADIN 1.0 has one for captions and labels,
// ALADIN-2.0 two.
func optLengths(s settings) (lengths, error) {
	one := s.integer("max_seq_length", 4, defaultMaxCaption)
	l := lengths{
		caption: s.integer("max_caption_seq_len", 4, one),
		labels:  s.integer("max_labels_seq_len", 4, one),
		regions: s.integer("max_img_seq_length", 1, defaultMaxRegions),
	}
	return l, *s.err
}
