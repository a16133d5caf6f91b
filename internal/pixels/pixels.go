// Package pixels makes of a picture what the image towers of the CLIP family read: numbers of a fixed size,
// as the library does that a model was trained with.
package pixels

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"

	"github.com/aladin-go/aladin/internal/vision/pixel"
)

// ErrConfig is returned when a description is not usable.
var ErrConfig = errors.New("unusable description of pixels")

// Names of resampling filters; all are antialiased.
const (
	Bicubic  = "bicubic"
	Bilinear = "bilinear"
)

// Ways to round the place of a crop where it is not a whole number.
const (
	Down     = "down"      // Hugging Face's: towards the upper left corner
	HalfEven = "half-even" // torchvision's: to the nearest, halves to the even
	Float    = "float"     // Immich's: the place is the picture's middle less half the crop, and the long side is computed in floating point
)

// Config says how a picture becomes numbers.
type Config struct {
	Size     [2]int     `json:"size"`               // height and width of the result
	Shortest int        `json:"shortest,omitempty"` // first the shorter side is made so long and the middle cut out; 0: both sides are fitted
	Filter   string     `json:"filter"`
	Rounding string     `json:"rounding,omitempty"` // of a crop's place
	Mean     [3]float64 `json:"mean"`               // of values 0…1, for red, green, blue
	Std      [3]float64 `json:"std"`
}

const maxSide = 1 << 13

// Parse reads a Config from JSON.
func Parse(text []byte) (*Config, error) {
	c := &Config{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, c.Check()
}

// Check tells whether the description can be followed.
func (c *Config) Check() error {
	for _, n := range c.Size {
		if n < 1 || n > maxSide {
			return fmt.Errorf("%w: size %v", ErrConfig, c.Size)
		}
	}
	if c.Shortest < 0 || c.Shortest > maxSide {
		return fmt.Errorf("%w: shortest %d", ErrConfig, c.Shortest)
	}
	if c.Filter != Bicubic && c.Filter != Bilinear {
		return fmt.Errorf("%w: filter %q", ErrConfig, c.Filter)
	}
	for i := range 3 {
		if !(c.Std[i] > 0) || c.Mean[i]-c.Mean[i] != 0 || c.Std[i] > 1e6 {
			return fmt.Errorf("%w: mean %v, std %v", ErrConfig, c.Mean, c.Std)
		}
	}
	return nil
}

// Len is how many numbers a picture becomes.
func (c *Config) Len() int { return 3 * c.Size[0] * c.Size[1] }

// Prepare writes the planes of red, green and blue to dst and tells which part of the picture they show: x1,
// y1, x2, y2 as shares of its width and height.
func (c *Config) Prepare(dst []float32, img image.Image) (shown [4]float32) {
	src := pixel.NewSource(img)
	filter := pixel.Bicubic
	if c.Filter == Bilinear {
		filter = pixel.Bilinear
	}
	h, w := c.Size[0], c.Size[1]
	r, size := src.Bounds(), src.Bounds()
	if c.Shortest > 0 {
		scale := min(r.W(), r.H()) / float64(c.Shortest)
		cw, ch := float64(w)*scale, float64(h)*scale
		r.X0, r.Y0 = (r.W()-cw)/2, (r.H()-ch)/2
		r.X1, r.Y1 = r.X0+cw, r.Y0+ch
	}
	src.Sample(dst, w, h, r, false, filter)
	n := w * h
	for i := range 3 {
		gain, bias := float32(1/(255*c.Std[i])), float32(c.Mean[i]/c.Std[i])
		for k, v := range dst[i*n : (i+1)*n] {
			dst[i*n+k] = v*gain - bias
		}
	}
	share := func(v, of float64) float32 { return float32(min(max(v/of, 0), 1)) }
	return [4]float32{share(r.X0, size.W()), share(r.Y0, size.H()), share(r.X1, size.W()), share(r.Y1, size.H())}
}
