package regions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// A Config says where regions come from and what their features are. As JSON it is part of a
// bundle's model.json and the FILE of `aladin-train init --regions`. Unknown keys are errors.
//
// Keys left out take the defaults given with each field.
type Config struct {
	// Kind is "patches", "segments" or "onnx".
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	// Patches is for kind "patches".
	Patches *PatchConfig `json:"patches,omitempty"`
	// Segments is for kind "segments"; left out, its defaults hold.
	Segments *SegmentConfig `json:"segments,omitempty"`
	// Models and Regions are for kind "onnx". The features of a region are those of all models
	// with feature maps, one map behind the other; at most one model makes boxes.
	Models  []ModelConfig `json:"models,omitempty"`
	Regions *RegionConfig `json:"regions,omitempty"`
	// ShorterSide, for kind "onnx", shrinks pictures whose shorter side has more pixels to that many before anything looks at
	// them, so that none is sharper than those that a model learned from. Default: 0, none is shrunk. Training sets it to the
	// median of its photos.
	ShorterSide int `json:"shorter_side,omitempty"`
	// Standardise names a file beside the models (see [Standardisation]) with the mean and spread of
	// every feature; after it features have mean 0 and variance 1. Default: none.
	Standardise string `json:"standardise,omitempty"`
	// BoxNumbers appends VinVL's six numbers to the features: x1, y1, x2, y2, height, width, in 0…1.
	BoxNumbers bool `json:"box_numbers,omitempty"`
}

// A PatchConfig cuts a square picture into a grid of raw patches. Region 0 is the whole picture,
// shrunk to the size of a patch; then come the patches row by row. The features are the patch's pixels,
// x/127.5−1, row by row, each pixel red, green, blue.
type PatchConfig struct {
	// Size is the side of the square that pictures are resized to.
	Size int `json:"size"`
	// Patch is the side of a patch.
	Patch int `json:"patch"`
	// Stride is the distance between patches; less than Patch makes them overlap. Default: Patch.
	// Size − Patch must be a multiple of it.
	Stride int `json:"stride,omitempty"`
	// RemoveMean takes the mean of each colour from every patch.
	RemoveMean bool `json:"remove_mean,omitempty"`
	// Resize defaults to mode "stretch".
	Resize ResizeConfig `json:"resize,omitzero"`
}

// A SegmentConfig finds regions that look like things without any model: see package segments. Region 0 is the whole
// picture; then come the segments, the most outstanding first.
type SegmentConfig struct {
	// Size is the longer side of the picture that is segmented, 32…512. Default: 128.
	Size int `json:"size,omitempty"`
	// Keep is how many segments become regions, 1…256. Default: 32.
	Keep int `json:"keep,omitempty"`
}

// Grid is the number of patches a side.
func (p PatchConfig) Grid() int { return (p.Size-p.Patch)/p.stride() + 1 }

func (p PatchConfig) stride() int {
	if p.Stride == 0 {
		return p.Patch
	}
	return p.Stride
}

// A ModelConfig is one ONNX file, how a picture becomes its input, and what its outputs are.
type ModelConfig struct {
	Name string `json:"name,omitempty"`
	// File is relative to the folder of the configuration or bundle.
	File string `json:"file"`
	// Input is the name of the picture's input. Default: the model's only one.
	Input string `json:"input,omitempty"`
	// Size is the input's height and width. Default: what the model states, if it is fixed.
	Size []int `json:"size,omitempty"`
	// Layout is "NCHW" (the default) or "NHWC".
	Layout string `json:"layout,omitempty"`
	// Channels is "RGB" (the default) or "BGR".
	Channels string `json:"channels,omitempty"`
	// A value of 0…255 is given to the model as (value·Scale − Mean) / Std. Mean and Std are for red,
	// green and blue, in this order whatever Channels says. Defaults: 1, 0 and 1.
	Scale float64   `json:"scale,omitempty"`
	Mean  []float64 `json:"mean,omitempty"`
	Std   []float64 `json:"std,omitempty"`
	// Resize says how a picture of another shape gets into Size.
	Resize ResizeConfig `json:"resize,omitzero"`
	// Batch is how many pictures the model gets at once, if its input leaves that open.
	// Default: 1 on a CPU (pictures then run side by side, which is faster), 16 on a GPU.
	Batch int `json:"batch,omitempty"`
	// ControlFlow runs a model that has graphs within its graph (Loop, If, Scan), which some detectors with NMS have.
	// Such a model may run for ever; without this it is refused.
	ControlFlow bool `json:"control_flow,omitempty"`
	// At least one of these says what the model is for.
	FeatureMaps FeatureMaps `json:"feature_map,omitempty"`
	Boxes       *BoxConfig  `json:"boxes,omitempty"`
}

// FeatureMaps are the maps that are read of one run of a model, such as those of several of its layers; in JSON
// an object stands for a list of one.
type FeatureMaps []FeatureMapConfig

// UnmarshalJSON reads an object or a list of them.
func (f *FeatureMaps) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte{'{'}) {
		*f = make(FeatureMaps, 1)
		return json.Unmarshal(data, &(*f)[0])
	}
	return json.Unmarshal(data, (*[]FeatureMapConfig)(f))
}

// MarshalJSON writes a list of one as an object.
func (f FeatureMaps) MarshalJSON() ([]byte, error) {
	if len(f) == 1 {
		return json.Marshal(f[0])
	}
	return json.Marshal([]FeatureMapConfig(f))
}

// A FeatureMapConfig is an output with a feature vector for each cell of a grid over the input.
type FeatureMapConfig struct {
	// Output is its name: an output of the model, or any value inside it.
	Output string `json:"output"`
	// Layout is "NCHW", "NHWC", "NLC" (a square grid of tokens, as a ViT gives) or "NC" (one vector for
	// the picture). Default: the input's layout.
	Layout string `json:"layout,omitempty"`
	// Skip is how many tokens of layout "NLC" come before the grid, such as a class token.
	Skip int `json:"skip,omitempty"`
	// Power, if not 0, replaces every value x of the map by sign(x)·|x|^Power before pooling; 0.5 is the
	// signed square root.
	Power float64 `json:"power,omitempty"`
}

// A RegionConfig says which regions a picture has and how their features are pooled. Region 0 is always
// the whole picture (what the model sees of it); then come the grid's cells row by row, then the boxes
// by falling score.
type RegionConfig struct {
	// Grid is rows and columns; the map's own size gives its cells as they are. Default: no grid.
	Grid []int `json:"grid,omitempty"`
	// GridOverlap widens every cell by this share of its sides, on each side and as far as the picture
	// goes, so that neighbours overlap.
	GridOverlap float64 `json:"grid_overlap,omitempty"`
	// Boxes is "roi": the detector's boxes are regions, with the average of the map below the box;
	// "crop": the same, with the models run on the picture's part below the box; or "none" (the default).
	Boxes string `json:"boxes,omitempty"`
	// CropMargin widens the part that "crop" runs on by this share of the box's sides, on each side.
	CropMargin float64 `json:"crop_margin,omitempty"`
	// Tags is which class names of the detector become object tags: "all" (the default; by falling score,
	// with repeats), "unique" or "none".
	Tags string `json:"tags,omitempty"`
	// Flip averages the features with those of the mirrored picture, at twice the cost.
	Flip bool `json:"flip,omitempty"`
	// Power is that of FeatureMapConfig, after pooling.
	Power float64 `json:"power,omitempty"`
	// L2 scales the features of every model to length 1, after Power and before standardisation.
	L2 bool `json:"l2,omitempty"`
}

// ReadConfig reads a Config from a JSON file.
func ReadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("regions: %w", err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads a Config from JSON and validates it.
func ParseConfig(data []byte) (*Config, error) {
	var c Config
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&c); err != nil {
		return nil, jsonError(data, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: more text behind the JSON object", ErrConfig)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &c, nil
}

// UnmarshalJSON refuses unknown keys, also where the Config is part of a larger document.
func (c *Config) UnmarshalJSON(data []byte) error {
	type plain Config
	if err := checkKeys(data, plain{}); err != nil {
		return err
	}
	*c = Config{}
	return json.Unmarshal(data, (*plain)(c))
}

// Files are the files that the configuration needs, relative to its folder.
func (c *Config) Files() []string {
	var out []string
	for _, m := range c.Models {
		if !slices.Contains(out, m.File) {
			out = append(out, m.File)
		}
	}
	if c.Standardise != "" {
		out = append(out, c.Standardise)
	}
	return out
}

// Clone is a deep copy.
func (c *Config) Clone() *Config {
	out := *c
	out.Patches = clone(c.Patches)
	if out.Patches != nil {
		out.Patches.Resize.Pad = clone(out.Patches.Resize.Pad)
	}
	out.Segments = clone(c.Segments)
	out.Models = slices.Clone(c.Models)
	for i := range out.Models {
		m := &out.Models[i]
		m.Size, m.Mean, m.Std = slices.Clone(m.Size), slices.Clone(m.Mean), slices.Clone(m.Std)
		m.Resize.Pad = clone(m.Resize.Pad)
		m.FeatureMaps = slices.Clone(m.FeatureMaps)
		if m.Boxes = clone(m.Boxes); m.Boxes != nil {
			m.Boxes.Strides, m.Boxes.Names = slices.Clone(m.Boxes.Strides), slices.Clone(m.Boxes.Names)
		}
	}
	if out.Regions = clone(c.Regions); out.Regions != nil {
		out.Regions.Grid = slices.Clone(out.Regions.Grid)
	}
	return &out
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// full is c with its defaults filled in.
func (c *Config) full() *Config {
	out := c.Clone()
	if p := out.Patches; p != nil {
		p.Stride = p.stride()
		p.Resize.fill()
	}
	if out.Kind == kindSegments {
		if out.Segments == nil {
			out.Segments = &SegmentConfig{}
		}
		out.Segments.Size, out.Segments.Keep = orElse(out.Segments.Size, 128), orElse(out.Segments.Keep, 32)
	}
	for i := range out.Models {
		out.Models[i].fill()
	}
	if out.Kind == kindONNX && out.Regions == nil {
		out.Regions = &RegionConfig{}
	}
	if r := out.Regions; r != nil {
		r.Boxes = orElse(r.Boxes, boxesNone)
		r.Tags = orElse(r.Tags, tagsAll)
	}
	return out
}

func (m *ModelConfig) fill() {
	m.Name = orElse(m.Name, filepath.Base(m.File))
	m.Layout = orElse(m.Layout, layoutNCHW)
	m.Channels = orElse(m.Channels, "RGB")
	m.Scale = orElse(m.Scale, 1)
	if m.Mean == nil {
		m.Mean = []float64{0, 0, 0}
	}
	if m.Std == nil {
		m.Std = []float64{1, 1, 1}
	}
	m.Resize.fill()
	for i := range m.FeatureMaps {
		m.FeatureMaps[i].Layout = orElse(m.FeatureMaps[i].Layout, m.Layout)
	}
	if m.Boxes != nil {
		m.Boxes.fill()
	}
}

// orElse is v, or the default if v is zero.
func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
