// Package nn builds the ALADIN network as ONNX graphs (Messina et al., "ALADIN: Distilling Fine-grained
// Alignment Scores for Efficient Image-Text Matching and Retrieval", CBMI 2022): a BERT encoder that
// reads a caption, or the class names and regions of an image; an alignment head that compares every
// word with every region; and a matching head that gives one vector a side.
//
// The same builders make the graphs that train and the graphs of a bundle, so the two cannot drift
// apart. What differs is where parameters come from (a [Params]) and whether dropout is on.
//
// Parameters carry the names of the published PyTorch state dict, with its layouts, so that import and
// export need no table. Shapes in comments: B pairs of image and caption, T caption tokens, L label
// tokens, R regions, F features a region, H hidden size, D = H the common space.
package nn

import (
	"errors"
	"fmt"
	"slices"
)

// ErrConfig is returned when a configuration describes no network.
var ErrConfig = errors.New("nn: invalid configuration")

// AlignmentModes are the ways to turn the similarities of words and regions into one score, as the
// paper and its code name them: sum and mean over all pairs; MrSw, the maximum over regions summed over
// words; MrAVGw, its mean over words; MwSr, the maximum over words summed over regions; symm, MrSw +
// MwSr; and scan-sentences, stacked cross attention (Lee et al., ECCV 2018). MrCOSw is ours.
var AlignmentModes = []string{"sum", "mean", "MrSw", "MrAVGw", "MwSr", "symm", "scan-sentences", MrCOSw}

// MrCOSw is MrSw divided by the length of the weighted sum of the caption's words. Were one region the
// best of every word, the score would be the cosine of that region with the sum; so it is a cosine of the
// caption, against the picture put together from the regions that fit it best. A constant a caption, it
// orders the images for a caption as MrSw does. It makes the captions of an image comparable, which
// neither sum nor mean does: the sum favours long captions, the mean those of a few general words. The length is at
// least a twentieth of the words' weights, so that words that cancel each other do not count without bound.
const MrCOSw = "MrCOSw"

var aggregations = []string{"", "gated", "mean"}

// DeticDim is how many features Detic gives a region: 1024 and the six box numbers.
const DeticDim = 1030

// A Config is the shape of a network. The zero value of an option is what published ALADIN models use.
type Config struct {
	Layers       int     `json:"layers"`        // encoder layers
	Hidden       int     `json:"hidden"`        // H
	Heads        int     `json:"heads"`         // attention heads of the encoder
	FF           int     `json:"ff"`            // width of its feed-forward layers
	Vocab        int     `json:"vocab"`         // word pieces
	MaxPositions int     `json:"max_positions"` // longest token sequence
	Types        int     `json:"types"`         // token types (2)
	LayerNormEps float32 `json:"layer_norm_eps"`

	RegionDim          int     `json:"region_dim"` // F
	RegionLayerNorm    bool    `json:"region_layer_norm"`
	RegionLayerNormEps float32 `json:"region_layer_norm_eps"`
	// DeticIn and DeticHidden give regions of a second detector, those with nothing but zeros past the
	// first DeticDim features, two layers of their own (ALADIN-2.0's detic_to_oscar_img): DeticIn features
	// to DeticHidden, ReLU, to Hidden (DeticIn features straight to Hidden under SingleLayers). 0 = none.
	DeticIn     int `json:"detic_in,omitempty"`
	DeticHidden int `json:"detic_hidden,omitempty"`

	// CLIPCaptions and CLIPLabels are how many numbers CLIP's vectors have that stand for a caption's tokens
	// and an image's labels in place of word embeddings (ALADIN-2.0). 0 = word embeddings.
	CLIPCaptions int `json:"clip_captions,omitempty"`
	CLIPLabels   int `json:"clip_labels,omitempty"`
	// SingleLayers has CLIP's and Detic's vectors pass one linear layer each in place of two with a ReLU between them, as in
	// ALADIN-2.0's early checkpoints.
	SingleLayers bool `json:"single_layers,omitempty"`

	MatchLayers int `json:"match_layers"` // "tern-layers": of the matching head, shared by both sides
	MatchHeads  int `json:"match_heads"`  // 4 in published models
	MatchFF     int `json:"match_ff"`     // H in published models
	AlignLayers int `json:"align_layers"` // "teran-layers": before alignment
	// SeparateAlign gives the two sides alignment layers of their own ("shared-transformer: false").
	SeparateAlign    bool   `json:"separate_align,omitempty"`
	PostLayers       int    `json:"post_layers,omitempty"`       // before depth aggregation, old configurations
	DepthAggregation string `json:"depth_aggregation,omitempty"` // of the matching head: "", "gated" or "mean"
	// AlignDepthAggregation likewise before the alignment head, of all states but the last, which a
	// learned weight then mixes with the last; without DepthAggregation the matching head gets that, too.
	AlignDepthAggregation string `json:"align_depth_aggregation,omitempty"`

	// Alignment is one of AlignmentModes.
	Alignment string `json:"alignment"`
	// ReleasedAlignment repeats what the released code does: the last word piece takes no part, region 0
	// neither, and similarities at padded places are 0 and take part in the maxima.
	ReleasedAlignment bool `json:"released_alignment,omitempty"`

	// PreNorm normalises before each sublayer and not after it, so that the input passes to the output
	// on a straight path. Sublayers then start as nothing (zero output weights), and a network whose
	// embeddings start from canonical correlation analysis starts as that analysis.
	PreNorm bool `json:"pre_norm,omitempty"`
	// MeanPool makes the matching vector of a side the mean of its token states ([CLS] and [SEP] left
	// out) in place of the state at position 0.
	MeanPool bool `json:"mean_pool,omitempty"`
	// WordGates learns a weight ≥ 0 for every word piece in the alignment score.
	WordGates bool `json:"word_gates,omitempty"`
	// GatedMean weighs the words of a matching vector's mean with them, too.
	GatedMean bool `json:"gated_mean,omitempty"`
	// GlobalPair > 0 makes the matching vectors take part in alignment, the caption's as one more word (the
	// first) and the image's as one more region (the last), as [CLS] does in ColBERT (Khattab and Zaharia,
	// SIGIR 2020). The word weighs GlobalPair times as much as all others together at first; training changes
	// that.
	GlobalPair float32 `json:"global_pair,omitempty"`
	// Hubs > 0 makes items that are near everything shorter in the exported encoders, by banks of so many training
	// items, compared at the scale HubScale (β). Training and its losses know nothing of it.
	Hubs     int     `json:"hubs,omitempty"`
	HubScale float32 `json:"hub_scale,omitempty"`
	// StopWords leaves words out of alignment: those whose entry of a fixed table is 0.
	StopWords bool `json:"stop_words,omitempty"`
	// Dropout is what the encoder was trained with.
	Dropout Dropout `json:"dropout,omitzero"`
	// Standardise subtracts a mean from every region feature and divides by a deviation, both fixed
	// parameters that the trainer takes from its data.
	Standardise bool `json:"standardise,omitempty"`
	// RegionFF > 0 adds to a region's embedding that of a hidden layer of so many units, of which text has none.
	RegionFF int `json:"region_ff,omitempty"`
	// SkipImageLayers is how many of the encoder's last layers images go without. Without any layer a region's state in
	// alignment is of what is in its box alone.
	SkipImageLayers int `json:"skip_image_layers,omitempty"`
	// TextLocality > 0 has the words of a caption attend to near ones: attention scores of head h fall by
	// TextLocality / 2^h for each word between (ALiBi, Press et al., ICLR 2022, in both directions).
	TextLocality float32 `json:"text_locality,omitempty"`
	// WordContext > 0 has alignment compare each word together with those around it: the sum of their states by their
	// weights, each falling by this factor with every word between. "Red mug" then looks for one region, and not for something red
	// and for a mug.
	WordContext float32 `json:"word_context,omitempty"`
	// AlignProjection puts a linear layer a side between the encoder and the alignment head.
	AlignProjection bool `json:"align_projection,omitempty"`
	// MatchProjection likewise before the matching head.
	MatchProjection bool `json:"match_projection,omitempty"`
}

// Dropout is the encoder's dropout rates of hidden states and of attention weights, and the file that says so; the zero
// value is unknown.
type Dropout struct {
	Hidden    float32 `json:"hidden"`
	Attention float32 `json:"attention"`
	Source    string  `json:"source"`
}

// The most of Config.Hubs and HubScale: sums of so many exponentials stay within float32.
const MaxHubs, MaxHubScale = 1 << 20, 60

// Bounds of sizes, of layers and of a slope, far beyond any network.
const (
	maxTextLocality = 100
	maxSize         = 1 << 20
	maxLayers       = 1000
)

// Validate checks that the numbers fit together.
func (c Config) Validate() error {
	for name, n := range map[string]int{"hidden": c.Hidden, "ff": c.FF, "vocab": c.Vocab, "max_positions": c.MaxPositions, "types": c.Types,
		"region_dim": c.RegionDim, "match_ff": c.MatchFF, "detic_hidden": c.DeticHidden, "clip_captions": c.CLIPCaptions, "clip_labels": c.CLIPLabels} {
		if n > maxSize {
			return fmt.Errorf("%w: %s is %d; at most %d", ErrConfig, name, n, maxSize)
		}
	}
	switch {
	case max(c.Layers, c.MatchLayers, c.AlignLayers, c.PostLayers) > maxLayers:
		return fmt.Errorf("%w: %d, %d, %d and %d layers; at most %d of a kind", ErrConfig, c.Layers, c.MatchLayers, c.AlignLayers, c.PostLayers, maxLayers)
	case c.Layers < 0 || c.Hidden <= 0 || c.Heads <= 0 || c.Hidden%c.Heads != 0:
		return fmt.Errorf("%w: %d layers of hidden size %d with %d heads (the size must be a multiple of the heads)", ErrConfig, c.Layers, c.Hidden, c.Heads)
	case c.MatchLayers < 0 || c.AlignLayers < 0 || c.PostLayers < 0:
		return fmt.Errorf("%w: %d, %d and %d layers of the heads", ErrConfig, c.MatchLayers, c.AlignLayers, c.PostLayers)
	case c.MatchLayers+c.AlignLayers+c.PostLayers > 0 && (c.MatchHeads <= 0 || c.Hidden%c.MatchHeads != 0):
		return fmt.Errorf("%w: layers of the heads: hidden size %d with %d heads", ErrConfig, c.Hidden, c.MatchHeads)
	case c.Vocab <= 0 || c.MaxPositions < 3 || c.Types < 2:
		return fmt.Errorf("%w: vocabulary %d, %d positions, %d token types", ErrConfig, c.Vocab, c.MaxPositions, c.Types)
	case c.RegionDim <= 0:
		return fmt.Errorf("%w: %d features a region", ErrConfig, c.RegionDim)
	case c.Layers > 0 && c.FF <= 0 || (c.MatchLayers > 0 || c.AlignLayers > 0 || c.PostLayers > 0) && c.MatchFF <= 0:
		return fmt.Errorf("%w: feed-forward widths %d and %d", ErrConfig, c.FF, c.MatchFF)
	case c.Hubs < 0 || c.Hubs > MaxHubs || c.Hubs > 0 && !(c.HubScale > 0 && c.HubScale <= MaxHubScale):
		return fmt.Errorf("%w: banks of %d vectors against hubs, compared at a scale of %g (0 to %d)", ErrConfig, c.Hubs, c.HubScale, MaxHubScale)
	case c.RegionFF < 0 || c.SkipImageLayers < 0 || c.SkipImageLayers > c.Layers:
		return fmt.Errorf("%w: a hidden layer of %d for regions, images without %d of %d layers", ErrConfig, c.RegionFF, c.SkipImageLayers, c.Layers)
	case !(c.TextLocality >= 0 && c.TextLocality <= maxTextLocality):
		return fmt.Errorf("%w: text_locality is %g, want 0 to %d", ErrConfig, c.TextLocality, maxTextLocality)
	case !(c.WordContext >= 0 && c.WordContext < 1):
		return fmt.Errorf("%w: word_context is %g, want 0 to less than 1", ErrConfig, c.WordContext)
	case c.WordContext > 0 && c.ReleasedAlignment:
		return fmt.Errorf("%w: word_context is not for released_alignment", ErrConfig)
	case c.SkipImageLayers > 0 && (c.DepthAggregation != "" || c.AlignDepthAggregation != ""):
		return fmt.Errorf("%w: depth aggregation needs the states of all layers of both sides; skip_image_layers is %d", ErrConfig, c.SkipImageLayers)
	case c.GatedMean && !(c.MeanPool && c.WordGates):
		return fmt.Errorf("%w: gated_mean is for mean_pool with word_gates", ErrConfig)
	case !(c.GlobalPair >= 0 && c.GlobalPair < 1000):
		return fmt.Errorf("%w: global_pair is %g, want 0 or more", ErrConfig, c.GlobalPair)
	case c.GlobalPair > 0 && c.ReleasedAlignment:
		return fmt.Errorf("%w: global_pair is not for released_alignment, which cuts tokens away by their place", ErrConfig)
	case !slices.Contains(AlignmentModes, c.Alignment):
		return fmt.Errorf("%w: alignment mode %q, known are %q", ErrConfig, c.Alignment, AlignmentModes)
	case !slices.Contains(aggregations, c.DepthAggregation) || !slices.Contains(aggregations, c.AlignDepthAggregation):
		return fmt.Errorf("%w: depth aggregations %q and %q, known are gated and mean", ErrConfig, c.DepthAggregation, c.AlignDepthAggregation)
	case (c.DepthAggregation == "gated" || c.AlignDepthAggregation == "gated") && (c.MatchHeads <= 0 || c.Hidden%c.MatchHeads != 0):
		return fmt.Errorf("%w: depth aggregation: hidden size %d with %d heads", ErrConfig, c.Hidden, c.MatchHeads)
	case c.AlignDepthAggregation != "" && c.Layers == 0:
		return fmt.Errorf("%w: depth aggregation without layers", ErrConfig)
	case c.DeticHidden < 0 || c.DeticIn < 0 || (c.DeticIn > 0) != (c.DeticHidden > 0 || c.SingleLayers && c.DeticIn > 0) || c.DeticIn > 0 && (c.DeticIn > c.RegionDim || c.RegionDim <= DeticDim):
		return fmt.Errorf("%w: Detic's layers read %d of %d features a region", ErrConfig, c.DeticIn, c.RegionDim)
	}
	return c.validateCLIP()
}
