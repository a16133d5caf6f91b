package bundle

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// A Calibration is what was measured of a model on captioned pictures that it was not trained on. It decides no
// embedding, so it is no part of the fingerprint: a model can be calibrated again without a new index.
type Calibration struct {
	// Images and Captions are how many were measured, for people.
	Images   int `json:"images"`
	Captions int `json:"captions"`
	// Candidates are ranked by their alignment divided by AlignSpread plus MatchWeight times their matching divided
	// by MatchSpread: the mean standard deviations of a query's scores over all pictures.
	MatchWeight float64 `json:"match_weight"`
	AlignSpread float64 `json:"align_spread"`
	MatchSpread float64 `json:"match_spread"`
	// LabelWeight times AlignSpread is what a word gains, for each unit of its weight, where a detector called a region by
	// its very name, and less where the name is only like it. 0: labels add nothing.
	LabelWeight float64 `json:"label_weight,omitempty"`
	// Relevance says how likely a picture is what a text asks for; nil if that is not known.
	Relevance *Relevance `json:"relevance,omitempty"`
}

// LabelsFile is an index of names that a detector gives, each with its word vector as a matching vector.
const LabelsFile = "labels.aladin"

// LabelScale is what the name of a region adds for a unit of a word's weight.
func (c *Calibration) LabelScale() float64 { return c.LabelWeight * c.AlignSpread }

// calibrationFiles are part of a calibration, not of what makes encodings.
var calibrationFiles = []string{ReferencesFile, LabelsFile}

// IsCalibration says whether a file of a bundle belongs to its calibration.
func IsCalibration(name string) bool { return slices.Contains(calibrationFiles, name) }

// ReferencesFile is an index of pictures that have nothing to do with what will be asked for, by which relevance is judged.
const ReferencesFile = "references.aladin"

// RelevanceFeatures is how many features relevance is computed from; package relevance says which.
const RelevanceFeatures = 8

// Relevance is a logistic regression: the probability that a hit is right.
type Relevance struct {
	Bias    float64   `json:"bias"`
	Weights []float64 `json:"weights"` // of the features; of other features than RelevanceFeatures they mean nothing
	// Line is the relevance of the first hit below which a query is more like one that makes no sense.
	Line float64 `json:"line"`
	// Aligned says that it is about hits that are ranked by alignment, else by their vectors alone.
	Aligned bool `json:"aligned"`
}

func (r *Relevance) check() error {
	const most = 100
	if len(r.Weights) > most {
		return fmt.Errorf("calibration.relevance.weights are %d; at most %d are read", len(r.Weights), most)
	}
	for _, w := range append([]float64{r.Bias}, r.Weights...) {
		if !(w > -1e6 && w < 1e6) {
			return fmt.Errorf("calibration.relevance has the weight %v", w)
		}
	}
	if !(r.Line >= 0 && r.Line <= 1) {
		return fmt.Errorf("calibration.relevance.line is %v; it must lie in 0 to 1", r.Line)
	}
	return nil
}

// MatchScale is what a matching score is multiplied with before it is added to an alignment score; 0 if nobody measured it.
func (c *Calibration) MatchScale() float32 {
	if c.MatchSpread == 0 {
		return 0
	}
	return float32(c.MatchWeight * c.AlignSpread / c.MatchSpread)
}

// String says in a few words what was found.
func (c *Calibration) String() string {
	ranks := "a search ranks as the model does by itself"
	if c.AlignSpread > 0 {
		ranks = fmt.Sprintf("a search ranks by alignment + %.3g × matching (a weight of %.3g, each by its spread)", c.MatchScale(), c.MatchWeight)
	}
	if c.LabelWeight > 0 {
		ranks += fmt.Sprintf(" + %.3g where a label names the word (%.3g spreads)", c.LabelScale(), c.LabelWeight)
	}
	if c.Relevance != nil {
		ranks += fmt.Sprintf("; nothing fits where the first hit's relevance is below %.2g", c.Relevance.Line)
	}
	if c.Captions == 0 {
		return fmt.Sprintf("%s; measured on %d images with sentences that often fit photos", ranks, c.Images)
	}
	return fmt.Sprintf("%s; measured on %d images and %d captions", ranks, c.Images, c.Captions)
}

func (c *Calibration) check() error {
	positive := func(v float64) bool { return v > 1e-9 && v < 1e9 }
	switch {
	case c.Images < 0 || c.Captions < 0:
		return errors.New("calibration.images and calibration.captions must be 0 or more")
	case !(c.LabelWeight >= 0 && c.LabelWeight < 1e3):
		return fmt.Errorf("calibration.label_weight is %v", c.LabelWeight)
	case !(c.MatchWeight >= 0 && c.MatchWeight < 1e3):
		return fmt.Errorf("calibration.match_weight is %v", c.MatchWeight)
	case c.AlignSpread == 0 && c.MatchSpread == 0 && c.MatchWeight == 0: // a model that ranks by its vectors alone
	case !positive(c.AlignSpread) || !positive(c.MatchSpread):
		return fmt.Errorf("calibration.align_spread and calibration.match_spread are %v and %v; they must be positive", c.AlignSpread, c.MatchSpread)
	}
	if c.Relevance != nil {
		return c.Relevance.check()
	}
	return nil
}

// Calibrate puts a calibration into a bundle, in place of the one that it has; nil takes it out. A calibration with
// Relevance needs the ReferencesFile, one with a LabelWeight the LabelsFile. It returns the bundle as it is then.
func (b *Bundle) Calibrate(c *Calibration, own map[string]func(io.Writer) error) (*Bundle, error) {
	m := b.Manifest
	m.Calibration, m.Files = c, maps.Clone(m.Files)
	files := make(map[string]func(io.Writer) error, len(m.Files))
	for name := range m.Files {
		if IsCalibration(name) {
			continue
		}
		path, err := b.Path(name)
		if err != nil {
			return nil, err
		}
		files[name] = FromFile(path)
	}
	maps.Copy(files, own)
	return Create(b.dir, m, files)
}
