package regions

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"

	"github.com/aladin-go/aladin/internal/region"
)

// A Standardisation is the mean and standard deviation of every feature over the regions of a training
// set. Applied, features have mean 0 and variance 1.
type Standardisation struct {
	Regions int64     `json:"regions"` // how many it was computed from
	Mean    []float32 `json:"mean"`
	Std     []float32 `json:"std"`
}

// FitStandardisation computes the statistics of the first dim features of all regions. Features that hardly
// vary get a standard deviation of 1, and so stay as quiet as they are. The sets must come from an
// Extractor without standardisation. dim leaves out box numbers (see FeatureDim).
func FitStandardisation(sets iter.Seq[*region.Set], dim int) (*Standardisation, error) {
	// Welford's method, a row at a time: stable in one pass.
	mean, m2 := make([]float64, dim), make([]float64, dim)
	var n int64
	for set := range sets {
		if set.Dim < dim {
			return nil, fmt.Errorf("regions: standardisation of %d features: a set has only %d", dim, set.Dim)
		}
		for i := range set.Len() {
			n++
			for j, v := range set.Row(i)[:dim] {
				d := float64(v) - mean[j]
				mean[j] += d / float64(n)
				m2[j] += d * (float64(v) - mean[j])
			}
		}
	}
	if n == 0 {
		return nil, errors.New("regions: standardisation: there are no regions to compute it from")
	}
	s := &Standardisation{Regions: n, Mean: make([]float32, dim), Std: make([]float32, dim)}
	for j := range dim {
		s.Mean[j] = float32(mean[j])
		s.Std[j] = float32(math.Sqrt(m2[j] / float64(n)))
		if s.Std[j] < 1e-6 {
			s.Std[j] = 1
		}
	}
	return s, s.check(dim)
}

// FeatureDim is the number of features of the extractor's regions without the box numbers.
func FeatureDim(x Extractor) int {
	if x.Config().BoxNumbers {
		return x.Dim() - boxNumbers
	}
	return x.Dim()
}

// Apply standardises the sets' features in place.
func (s *Standardisation) Apply(sets ...*region.Set) {
	for _, set := range sets {
		for i := range set.Len() {
			s.apply(set.Row(i))
		}
	}
}

// apply standardises one row; features behind those that s knows stay.
func (s *Standardisation) apply(row []float32) {
	if s == nil {
		return
	}
	row = row[:len(s.Mean)]
	std := s.Std[:len(row)]
	for j, m := range s.Mean {
		row[j] = (row[j] - m) / std[j]
	}
}

func (s *Standardisation) check(dim int) error {
	if len(s.Mean) != dim || len(s.Std) != dim {
		return fmt.Errorf("%w: standardisation of %d and %d features; the regions have %d", ErrConfig, len(s.Mean), len(s.Std), dim)
	}
	for j := range dim {
		m, sd := float64(s.Mean[j]), float64(s.Std[j])
		if math.IsNaN(m) || math.IsInf(m, 0) || !(sd > 0) || math.IsInf(sd, 0) {
			return fmt.Errorf("%w: standardisation: feature %d has mean %v and standard deviation %v", ErrConfig, j, m, sd)
		}
	}
	return nil
}

// WriteFile saves s as JSON, replacing the file as a whole.
func (s *Standardisation) WriteFile(path string) (err error) {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("regions: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".standardise-*")
	if err != nil {
		return fmt.Errorf("regions: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("regions: %s: %w", path, err)
		}
	}()
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadStandardisation reads what WriteFile wrote.
func ReadStandardisation(path string) (*Standardisation, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("regions: %w", err)
	}
	var s Standardisation
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	if err := s.check(len(s.Mean)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &s, nil
}

// openStandardisation reads the file that cfg names for dim features, or nothing.
func openStandardisation(cfg *Config, dir string, dim int) (*Standardisation, error) {
	if cfg.Standardise == "" {
		return nil, nil
	}
	path := filepath.Join(dir, cfg.Standardise)
	s, err := ReadStandardisation(path)
	if err != nil {
		return nil, err
	}
	if err := s.check(dim); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
