package bundle

import (
	"errors"
	"fmt"
	"io"
	"maps"
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
}

// MatchScale is what a matching score is multiplied with before it is added to an alignment score.
func (c *Calibration) MatchScale() float32 {
	return float32(c.MatchWeight * c.AlignSpread / c.MatchSpread)
}

// String says in a few words what was found.
func (c *Calibration) String() string {
	return fmt.Sprintf("a search ranks by alignment + %.3g × matching (a weight of %.3g, each by its spread), measured on %d images and %d captions",
		c.MatchScale(), c.MatchWeight, c.Images, c.Captions)
}

func (c *Calibration) check() error {
	positive := func(v float64) bool { return v > 1e-9 && v < 1e9 }
	switch {
	case c.Images < 0 || c.Captions < 0:
		return errors.New("calibration.images and calibration.captions must be 0 or more")
	case !(c.MatchWeight >= 0 && c.MatchWeight < 1e3):
		return fmt.Errorf("calibration.match_weight is %v", c.MatchWeight)
	case !positive(c.AlignSpread) || !positive(c.MatchSpread):
		return fmt.Errorf("calibration.align_spread and calibration.match_spread are %v and %v; they must be positive", c.AlignSpread, c.MatchSpread)
	}
	return nil
}

// Calibrate puts a calibration into a bundle, in place of the one that it has; nil takes it out. It returns the bundle
// as it is then.
func (b *Bundle) Calibrate(c *Calibration) (*Bundle, error) {
	m := b.Manifest
	m.Calibration, m.Files = c, maps.Clone(m.Files)
	files := make(map[string]func(io.Writer) error, len(m.Files))
	for name := range m.Files {
		path, err := b.Path(name)
		if err != nil {
			return nil, err
		}
		files[name] = FromFile(path)
	}
	return Create(b.dir, m, files)
}
