package config

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aladin-go/aladin/internal/nn"
)

// ErrConfig is returned when a configuration is malformed; the message names the file and the key.
var ErrConfig = errors.New("train: invalid configuration")

// A Config is a training configuration: the YAML files of the released code, plus what it takes on its
// command line and what a network that starts from nothing needs. Keys that are absent keep the values of
// Default.
type Config struct {
	Dataset  DatasetConfig  `yaml:"dataset"`
	Model    ModelConfig    `yaml:"model"`
	Encoder  EncoderConfig  `yaml:"encoder"`
	Training TrainingConfig `yaml:"training"`

	// ALADIN-2.0.
	DetectionType      string `yaml:"detection_type"`
	EnableCLIPLabels   bool   `yaml:"enable_clip_labels"`
	EnableCLIPCaptions bool   `yaml:"enable_clip_captions"`
	// AggregationType "labels" makes one sentence of labels that repeat, under enable_clip_labels.
	AggregationType string `yaml:"aggregation_type"`

	// Notes are remarks about keys that were accepted but mean nothing here, or less than they seem to.
	Notes []string `yaml:"-"`
}

// DatasetConfig names the data; the name is a label only.
type DatasetConfig struct {
	Name string `yaml:"name"`
}

// ModelConfig is the released files' "model" section: the heads.
type ModelConfig struct {
	Name                      string      `yaml:"name"`
	EmbedSize                 int         `yaml:"embed-size"`
	TextAggregation           string      `yaml:"text-aggregation"`
	ImageAggregation          string      `yaml:"image-aggregation"`
	FreezeTeran               bool        `yaml:"freeze-teran"`
	TeranLayers               int         `yaml:"teran-layers"`
	TernLayers                int         `yaml:"tern-layers"`
	PostLayers                int         `yaml:"post-layers"`
	ExcludeStopwords          bool        `yaml:"exclude-stopwords"` // from alignment
	SharedTransformer         bool        `yaml:"shared-transformer"`
	DepthAggregationAlignment Aggregation `yaml:"depth-aggregation-alignment"`
	DepthAggregationMatching  Aggregation `yaml:"depth-aggregation-matching"`
	Dropout                   float32     `yaml:"dropout"` // of the heads
	// FrozenDropout keeps the dropout of a frozen backbone on, as the released code does.
	FrozenDropout bool `yaml:"frozen-dropout"`
	// ReleasedAlignment scores as the released code does (see nn.Config); otherwise words and regions
	// all take part and padding never wins a maximum.
	ReleasedAlignment bool `yaml:"released-alignment"`
}

// An Aggregation is "gated", "mean" or none, which the released files spell false.
type Aggregation string

// UnmarshalYAML accepts false in all its spellings, nothing and the two names.
func (a *Aggregation) UnmarshalYAML(n *yaml.Node) error {
	var on bool
	switch {
	case n.Value == "gated" || n.Value == "mean":
		*a = Aggregation(n.Value)
	case n.Value == "" || n.Decode(&on) == nil && !on:
		*a = ""
	default:
		return fmt.Errorf("line %d: depth aggregation %q: want false, gated or mean", n.Line, n.Value)
	}
	return nil
}

// EncoderConfig is a network that starts from nothing; with a backbone or a teacher the shape is theirs.
type EncoderConfig struct {
	Layers          int     `yaml:"layers"`
	Hidden          int     `yaml:"hidden"`
	Heads           int     `yaml:"heads"`
	FF              int     `yaml:"ff"`
	HeadFF          int     `yaml:"head-ff"` // of the heads; 0 = hidden
	RegionLayerNorm bool    `yaml:"region-layer-norm"`
	Standardise     bool    `yaml:"standardise"` // region features, by the training data's statistics
	PreNorm         bool    `yaml:"pre-norm"`
	MeanPool        bool    `yaml:"mean-pool"`
	WordGates       bool    `yaml:"word-gates"`
	GatedMean       bool    `yaml:"gated-mean"`        // word gates in matching's mean, too
	RegionFF        int     `yaml:"region-ff"`         // width of a hidden layer that regions alone have
	SkipImageLayers int     `yaml:"skip-image-layers"` // how many of the last layers images go without
	TextLocality    float32 `yaml:"text-locality"`     // > 0: words attend to near words first; see nn.Config
	WordContext     float32 `yaml:"word-context"`      // > 0: alignment compares words together with those around them, likewise
	// HubnessBank is the number of training captions and images by which the exported model recognises hubs, items that are
	// close to everything, and ranks them lower; 0 turns this off. HubnessScale bounds β of package nn's hubs.go.
	HubnessBank     int     `yaml:"hubness-bank"`
	HubnessScale    float32 `yaml:"hubness-scale"`
	GlobalPair      float32 `yaml:"global-pair"` // > 0: the matching vectors are one more word and region; what the word weighs at first, relative to all others
	AlignProjection bool    `yaml:"align-projection"`
	MatchProjection bool    `yaml:"match-projection"`
	// Dropout is of hidden states, AttentionDrop of attention weights; below 0 they are the teacher's, else DefaultDropout.
	Dropout        float32 `yaml:"dropout"`
	AttentionDrop  float32 `yaml:"attention-dropout"`
	WordDropout    float32 `yaml:"word-dropout"`    // share of caption words replaced by [MASK]… in training
	RegionDropout  float32 `yaml:"region-dropout"`  // share of regions left out in training
	FeatureDropout float32 `yaml:"feature-dropout"` // share of region features set to 0 in training
	LabelDropout   float32 `yaml:"label-dropout"`   // share of object tags left out in training

	// The longest sequences; 0 takes the teacher's, or without one DefaultLengths. A model keeps its own from then on.
	MaxCaption int `yaml:"max-caption"` // tokens of a caption with [CLS] and [SEP]
	MaxLabels  int `yaml:"max-labels"`  // tokens of the object tags, likewise
	MaxRegions int `yaml:"max-regions"`
	VocabSize  int `yaml:"vocab-size"`
	MinCount   int `yaml:"min-count"` // a word seen this often is a piece of its own
	// Start is where word and region embeddings start: "random" or "cca", regularised canonical
	// correlation analysis of captions and pooled regions (Hardoon et al., 2004).
	Start     string  `yaml:"start"`
	CCARidge  float64 `yaml:"cca-ridge"`  // of both sides, as a share of the mean variance
	CCAPower  float64 `yaml:"cca-power"`  // canonical directions are weighted by correlation to this power
	StartNorm float64 `yaml:"start-norm"` // root mean square length of a start embedding
}

// TrainingConfig is the released files' "training" section and what their command line sets.
type TrainingConfig struct {
	LR               float64 `yaml:"lr"`
	GradClip         float64 `yaml:"grad-clip"` // global norm; 0 = none
	MaxViolation     bool    `yaml:"max-violation"`
	LossType         string  `yaml:"loss-type"` // of KnownLosses, joined by "-"
	LossWeights      Weights `yaml:"loss-weights"`
	AlignmentMode    string  `yaml:"alignment-mode"`
	DistillationMode string  `yaml:"distillation-mode"`
	DistillAfter     int     `yaml:"activate-distillation-after"`
	Measure          string  `yaml:"measure"`
	Margin           float64 `yaml:"margin"`
	BatchSize        int     `yaml:"bs"`
	Scheduler        string  `yaml:"scheduler"` // steplr, cosine, constant
	Gamma            float64 `yaml:"gamma"`
	StepSize         int     `yaml:"step-size"` // epochs
	Warmup           string  `yaml:"warmup"`    // linear or none
	WarmupPeriod     int     `yaml:"warmup-period"`

	// Contrast is the loss of the alignment and matching heads: triplet or infonce.
	Contrast           string  `yaml:"contrast"`
	AlignContrast      string  `yaml:"alignment-contrast"`    // overrides contrast for the alignment head
	Temperature        float64 `yaml:"temperature"`           // of infonce at the start, matching
	AlignTemperature   float64 `yaml:"alignment-temperature"` // likewise, alignment
	DistillTemperature float64 `yaml:"distillation-temperature"`
	// Softness is the temperature of a soft maximum over regions while training; it falls to SoftnessEnd
	// linearly over the epochs. 0 = the hard maximum throughout.
	Softness    float64 `yaml:"alignment-softness"`
	SoftnessEnd float64 `yaml:"alignment-softness-end"`
	// DistillTeacherScale multiplies the alignment scores before they teach.
	DistillTeacherScale float64 `yaml:"distillation-teacher-scale"`
	Epochs              int     `yaml:"epochs"`
	Seed                uint64  `yaml:"seed"`
	Optimizer           string  `yaml:"optimizer"` // adam or adamw
	WeightDecay         float64 `yaml:"weight-decay"`
	Beta2               float64 `yaml:"beta2"`
	EMA                 float64 `yaml:"ema"` // decay of the averaged weights that are validated and kept; 0 = none
	Accumulate          int     `yaml:"accumulate"`
	// AccumulateInGraph runs the accumulated batches in one run of the graph, so that parameters and gradients are
	// transferred to a GPU and back once for all of them.
	AccumulateInGraph bool `yaml:"accumulate-in-graph"`
	// GradientCheckpointing stores only each layer's input for the backward pass and recomputes the rest: less memory, more
	// time, the same result.
	GradientCheckpointing bool `yaml:"gradient-checkpointing"`
	ValEvery              int  `yaml:"val-every"`  // steps; 0 = each epoch
	SaveEvery             int  `yaml:"save-every"` // steps
	// ImitationHead is the head whose scores the loss "imitation" takes from the models (see Run.Imitate): "alignment" or
	// "matching", which is cheaper. ImitationScale multiplies the scores of both sides.
	ImitationHead  string  `yaml:"imitation-head"`
	ImitationScale float64 `yaml:"imitation-scale"`
	// Augment are further views of a picture that training draws from: flip (mirrored; never with captions
	// that speak of left and right) and crop (85 % of the sides at opposite corners; the second mirrored, with flip).
	Augment []string `yaml:"augment"`
	// Bucket > 0 makes batches of captions of similar length, by sorting within that many batches at a time. Padding costs
	// little even without it.
	Bucket int `yaml:"bucket"`
	// StartLR multiplies the learning rate of embeddings that start from CCA.
	StartLR float64 `yaml:"start-lr"`
}

// Weights are the weights of the losses, or "auto": learned, ½Σ(L·e^−w + w).
type Weights struct {
	Auto   bool
	Values []float64
}

// UnmarshalYAML accepts a list of numbers or the word auto.
func (w *Weights) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		if n.Value != "auto" {
			return fmt.Errorf("line %d: loss-weights %q: want a list of numbers or auto", n.Line, n.Value)
		}
		*w = Weights{Auto: true}
		return nil
	}
	*w = Weights{}
	return n.Decode(&w.Values)
}

// MarshalYAML writes what UnmarshalYAML reads.
func (w Weights) MarshalYAML() (any, error) {
	if w.Auto {
		return "auto", nil
	}
	return w.Values, nil
}

// Default is what the released code does when a key is absent.
func Default() Config {
	return Config{
		Model: ModelConfig{Name: "aladin", TernLayers: 2, SharedTransformer: true, Dropout: 0.1},
		Encoder: EncoderConfig{Layers: 2, Hidden: 256, Heads: 4, FF: 512, Dropout: -1, AttentionDrop: -1,
			VocabSize: 8000, MinCount: 3, Start: "random",
			CCARidge: 0.1, CCAPower: 1, StartNorm: 1, HubnessScale: 15},
		Training: TrainingConfig{LR: 1e-5, GradClip: 2, LossType: "alignment-distillation", AlignmentMode: "MrSw", DistillationMode: "listnet",
			Measure: "dot", Margin: 0.2, BatchSize: 32, Scheduler: "steplr", Gamma: 0.1, StepSize: 15, WarmupPeriod: 1000,
			Contrast: "triplet", Temperature: 0.07, AlignTemperature: 0.07, DistillTemperature: 6, DistillTeacherScale: 1, ImitationHead: "alignment", ImitationScale: 15,
			Epochs: 20, Seed: 88, Optimizer: "adam", Beta2: 0.999, Accumulate: 1, SaveEvery: 1000, StartLR: 1},
		DetectionType: "fast",
	}
}

// Legacy keys of old files that change nothing here.
var legacyKeys = map[string]string{
	"text-model":  "the caption encoder is the shared one",
	"image-model": "the feature size is the data's",
	"val_step":    "use val-every", "text_dim": "", "num_workers": "", "print-every": "",
	"dataset.images-path": namedData, "dataset.data": namedData, "dataset.restval": namedData,
	"dataset.pre-extracted-features": namedData, "dataset.pre-extracted-features-root": namedData,
}

const namedData = "the command line names the data"

//go:embed configs/*.yaml
var configFiles embed.FS

// Names lists the configurations that come with the package.
func Names() []string {
	files, _ := fs.Glob(configFiles, "configs/*.yaml")
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".yaml")
	}
	return names
}

// Text is the YAML of a configuration by name.
func Text(name string) ([]byte, error) {
	data, err := configFiles.ReadFile("configs/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%w: no configuration %q; there are %s", ErrConfig, name, strings.Join(Names(), ", "))
	}
	return data, nil
}

// Load reads a file, or one of [Names], and then the overrides, which are YAML as well. A folder does not hide a name.
func Load(nameOrPath string, overrides ...string) (*Config, error) {
	data, err := os.ReadFile(nameOrPath)
	if err != nil && isName(nameOrPath) {
		data, err = Text(nameOrPath)
	}
	if err != nil {
		return nil, err
	}
	texts := [][]byte{data}
	for _, o := range overrides {
		texts = append(texts, []byte(o))
	}
	c, err := Parse(texts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameOrPath, err)
	}
	return c, nil
}

// isName tells a configuration's name from a path to a file, which may be missing.
func isName(nameOrPath string) bool {
	if strings.ContainsAny(nameOrPath, "/\\") || strings.HasSuffix(nameOrPath, ".yaml") {
		return false
	}
	st, err := os.Stat(nameOrPath)
	return err != nil || st.IsDir()
}

// Parse reads YAML strictly: an unknown key is an error that suggests the nearest known one. Keys of later texts
// replace those of earlier ones.
func Parse(texts ...[]byte) (*Config, error) {
	c := Default()
	for _, text := range texts {
		if err := c.merge(text); err != nil {
			return nil, err
		}
	}
	if c.Training.Measure == "order" {
		c.Notes = append(c.Notes, "training.measure: order is for the loss alone: validation, evaluation and search rank by inner products")
	}
	return &c, c.Validate()
}

func (c *Config) merge(text []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("%w: %v", ErrConfig, err)
	}
	if len(root.Content) == 0 {
		return nil
	}
	if err := c.normalise(root.Content[0], reflect.TypeOf(*c), ""); err != nil {
		return err
	}
	if err := root.Content[0].Decode(c); err != nil {
		return fmt.Errorf("%w: %v", ErrConfig, err)
	}
	return nil
}

// normalise checks the keys of a mapping against a struct's, respells those with a second spelling and
// drops legacy ones with a note.
func (c *Config) normalise(n *yaml.Node, t reflect.Type, path string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("%w: line %d: %s must be a mapping", ErrConfig, n.Line, strings.TrimSuffix(path, "."))
	}
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "-" {
			fields[key] = t.Field(i).Type
		}
	}
	kept := n.Content[:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value == "activate_distillation_after" {
			key.Value = "activate-distillation-after"
		}
		if key.Value == "depth-aggregation" {
			key.Value = "depth-aggregation-matching"
		}
		ft, ok := fields[key.Value]
		why, legacy := legacyKeys[path+key.Value]
		if !legacy { // wherever it stands
			why, legacy = legacyKeys[key.Value]
		}
		if !ok && legacy {
			c.Notes = append(c.Notes, strings.TrimSuffix(fmt.Sprintf("%s%s has no effect: %s", path, key.Value, why), ": "))
			continue
		}
		if !ok {
			return fmt.Errorf("%w: line %d: unknown key %q; did you mean %q?", ErrConfig, key.Line, path+key.Value, nearestKey(path, key.Value))
		}
		if ft.Kind() == reflect.Struct && ft != reflect.TypeOf(Weights{}) {
			if value.Tag == "!!null" {
				continue
			}
			if err := c.normalise(value, ft, path+key.Value+"."); err != nil {
				return err
			}
		}
		if value.Tag == "!!null" && ft.Kind() != reflect.String {
			continue
		}
		kept = append(kept, key, value)
	}
	n.Content = kept
	return nil
}

// nearestKey is the known key that is most like one that stands under a path, with its own path: of keys that are
// equally like it one under the same.
func nearestKey(path, key string) string {
	best, score := "", -1.0
	var compare func(t reflect.Type, under string)
	compare = func(t reflect.Type, under string) {
		for i := range t.NumField() {
			name, ft := t.Field(i).Tag.Get("yaml"), t.Field(i).Type
			if name == "-" {
				continue
			}
			if s := bigramOverlap(key, name); s > score || s == score && under == path {
				best, score = under+name, s
			}
			if section := ft.Kind() == reflect.Struct && ft != reflect.TypeOf(Weights{}); section {
				compare(ft, name+".")
			}
		}
	}
	compare(reflect.TypeOf(Config{}), "")
	return best
}

// bigramOverlap is the Dice coefficient of two words' letter pairs.
func bigramOverlap(a, b string) float64 {
	pairs := func(s string) map[string]int {
		m := map[string]int{}
		s = strings.ReplaceAll("^"+s+"$", "_", "-")
		for i := 0; i+1 < len(s); i++ {
			m[s[i:i+2]]++
		}
		return m
	}
	pa, pb := pairs(a), pairs(b)
	shared := 0
	for p, n := range pa {
		shared += min(n, pb[p])
	}
	return 2 * float64(shared) / float64(len(a)+len(b)+2)
}

// Losses are the names in loss-type.
func (c *Config) Losses() []string { return strings.Split(c.Training.LossType, "-") }

// LossWeight is the fixed weight of the i-th loss; 1 where none is given.
func (c *Config) LossWeight(i int) float64 {
	if i < len(c.Training.LossWeights.Values) {
		return c.Training.LossWeights.Values[i]
	}
	return 1
}

// KnownLosses are the parts that loss-type may name.
var KnownLosses = []string{"alignment", "matching", "distillation", "entropy", "regularizehidden", Imitation}

// Validate checks values and their combinations.
func (c *Config) Validate() error {
	t := &c.Training
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	for i, l := range c.Losses() {
		if !slices.Contains(KnownLosses, l) {
			return bad("training.loss-type names %q; known are %q, joined by -", l, KnownLosses)
		}
		if slices.Contains(c.Losses()[:i], l) {
			return bad("training.loss-type names %q twice", l)
		}
	}
	if n := len(t.LossWeights.Values); n > 0 && n != len(c.Losses()) {
		return bad("training.loss-weights has %d numbers for the %d losses of %q", n, len(c.Losses()), t.LossType)
	}
	choices := []struct {
		key, value string
		Known      []string
	}{
		{"training.alignment-mode", t.AlignmentMode, nn.AlignmentModes},
		{"training.distillation-mode", t.DistillationMode, DistillationModes},
		{"training.imitation-head", t.ImitationHead, ImitationHeads},
		{"training.measure", t.Measure, Measures},
		{"training.contrast", t.Contrast, []string{"triplet", "infonce"}},
		{"training.alignment-contrast", t.AlignContrast, []string{"", "triplet", "infonce"}},
		{"training.scheduler", t.Scheduler, []string{"steplr", "cosine", "constant", ""}},
		{"training.warmup", t.Warmup, []string{"", "linear", "none", "null"}},
		{"training.optimizer", t.Optimizer, []string{"adam", "adamw"}},
		{"model.text-aggregation", c.Model.TextAggregation, []string{"", "first"}},
		{"model.image-aggregation", c.Model.ImageAggregation, []string{"", "first"}},
		{"encoder.start", c.Encoder.Start, []string{"random", "cca"}},
		{"detection_type", c.DetectionType, []string{"", "fast", "det", "det_padded", "det+fast", "det+fast_labels", "det+fast_padded", "fast+det_labels"}},
	}
	for _, ch := range choices {
		if !slices.Contains(ch.Known, ch.value) {
			return bad("%s is %q; known are %q", ch.key, ch.value, ch.Known)
		}
	}
	switch {
	case !(t.LR > 0) || t.BatchSize < 2 || t.Epochs < 1 || t.Accumulate < 1:
		return bad("training needs lr > 0, bs ≥ 2, epochs ≥ 1 and accumulate ≥ 1; have %g, %d, %d, %d", t.LR, t.BatchSize, t.Epochs, t.Accumulate)
	case !(t.GradClip >= 0) || !(t.EMA >= 0 && t.EMA < 1) || !(t.Temperature > 0) || !(t.AlignTemperature > 0) || !(t.DistillTemperature > 0) || !(t.ImitationScale > 0):
		return bad("training needs grad-clip ≥ 0, ema in [0, 1), and temperatures and imitation-scale > 0")
	case t.Warmup == "linear" && t.WarmupPeriod < 1:
		return bad("training.warmup-period is %d steps", t.WarmupPeriod)
	case !(t.Beta2 > 0 && t.Beta2 < 1) || !(t.WeightDecay >= 0) || !(t.StartLR >= 0):
		return bad("training needs beta2 in (0, 1), weight-decay ≥ 0 and start-lr ≥ 0; have %g, %g and %g", t.Beta2, t.WeightDecay, t.StartLR)
	case t.ValEvery < 0 || t.SaveEvery < 0 || t.Bucket < 0:
		return bad("training.val-every, training.save-every and training.bucket are %d, %d and %d; want 0 or more", t.ValEvery, t.SaveEvery, t.Bucket)
	case c.Encoder.HubnessBank < 0 || c.Encoder.HubnessBank > nn.MaxHubs || !(c.Encoder.HubnessScale > 0 && c.Encoder.HubnessScale <= nn.MaxHubScale):
		return bad("encoder.hubness-bank is %d and encoder.hubness-scale %g; want 0 to %d, and more than 0 to %d", c.Encoder.HubnessBank, c.Encoder.HubnessScale, nn.MaxHubs, nn.MaxHubScale)
	}
	if l := c.Lengths(); l.Caption < 0 || l.Labels < 0 || l.Regions < 0 || l.Caption > 0 && l.Caption < 3 || l.Labels > 0 && l.Labels < 2 {
		return bad("encoder needs max-caption ≥ 3, max-labels ≥ 2 and max-regions ≥ 1, or 0 for the teacher's; have %d, %d, %d", l.Caption, l.Labels, l.Regions)
	}
	for key, p := range map[string]float32{"model.dropout": c.Model.Dropout, "encoder.dropout": max(0, c.Encoder.Dropout),
		"encoder.attention-dropout": max(0, c.Encoder.AttentionDrop), "encoder.word-dropout": c.Encoder.WordDropout,
		"encoder.region-dropout": c.Encoder.RegionDropout, "encoder.feature-dropout": c.Encoder.FeatureDropout, "encoder.label-dropout": c.Encoder.LabelDropout} {
		if !(p >= 0 && p < 1) {
			return bad("%s is %g; want 0 ≤ share < 1", key, p)
		}
	}
	return c.checkCLIP()
}

// YAML writes the whole configuration.
func (c *Config) YAML() []byte {
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	_ = enc.Encode(c) // a struct of plain values cannot fail
	return buf.Bytes()
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

// AddImitation adds the loss "imitation" to the others, with weight 1, if it is not among them.
func (c *Config) AddImitation() {
	t := &c.Training
	if slices.Contains(c.Losses(), Imitation) {
		return
	}
	if n := len(t.LossWeights.Values); n > 0 {
		t.LossWeights.Values = append(slices.Clone(t.LossWeights.Values), 1)
	}
	t.LossType += "-" + Imitation
}

// Imitation is a loss that teaches both heads to rank a batch like models trained earlier (knowledge distillation, Hinton,
// Vinyals and Dean, 2015), by the mean of their scores. They know what pairs of a picture and a caption cannot tell: how
// close a caption is to the other pictures.
const Imitation = "imitation"

// ImitationHeads are the values of training.imitation-head.
var ImitationHeads = []string{"alignment", "matching"}

// DistillationModes are the values of training.distillation-mode.
var DistillationModes = []string{"listnet", "mse", "ordinal", "contrastive"}

// Measures are the values of training.measure.
var Measures = []string{"dot", "cosine", "order"}
