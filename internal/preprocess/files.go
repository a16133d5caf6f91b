package preprocess

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// The means and deviations that OpenAI's CLIP was trained with.
var (
	clipMean = [3]float64{0.48145466, 0.4578275, 0.40821073}
	clipStd  = [3]float64{0.26862954, 0.26130258, 0.27577711}
	half     = [3]float64{0.5, 0.5, 0.5}
)

// decode is json.Unmarshal with an error that says where.
func decode(b []byte, to any) error {
	if len(b) > maxFile {
		return fmt.Errorf("%w: %d bytes; at most %d are read", ErrConfig, len(b), maxFile)
	}
	err := json.Unmarshal(b, to)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: offset %d: %w", ErrConfig, syntax.Offset, err)
	case errors.As(err, &kind):
		return fmt.Errorf("%w: offset %d: %w", ErrConfig, kind.Offset, err)
	}
	return fmt.Errorf("%w: %w", ErrConfig, err)
}

// sizeJSON is a number, [height, width], {"height", "width"} or {"shortest_edge"}.
type sizeJSON struct {
	height, width, shortest int
	named                   bool // shortest stands in an object
}

func (s *sizeJSON) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case bytes.HasPrefix(b, []byte("{")):
		var o struct {
			Height   *int `json:"height"`
			Width    *int `json:"width"`
			Shortest *int `json:"shortest_edge"`
			Longest  *int `json:"longest_edge"`
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		switch {
		case o.Longest != nil:
			return errors.New("a size by longest_edge is not supported")
		case o.Shortest != nil && o.Height == nil && o.Width == nil:
			*s = sizeJSON{shortest: *o.Shortest, named: true}
		case o.Height != nil && o.Width != nil && o.Shortest == nil:
			*s = sizeJSON{height: *o.Height, width: *o.Width}
		default:
			return errors.New("a size needs shortest_edge, or height and width")
		}
	case bytes.HasPrefix(b, []byte("[")):
		var list []int
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		if len(list) != 2 {
			return fmt.Errorf("a size of %d numbers", len(list))
		}
		*s = sizeJSON{height: list[0], width: list[1]}
	default:
		return json.Unmarshal(b, &s.shortest)
	}
	return nil
}

// given tells whether there is a size.
func (s *sizeJSON) given() bool { return s != nil && *s != sizeJSON{} }

// resamples are Pillow's filters by their numbers.
var resamples = []string{Nearest, Lanczos, Bilinear, Bicubic, Box, Hamming}

// processors are Hugging Face's that do nothing but what a Config says, with their defaults.
var processors = map[string]Config{
	"CLIP":   {Resize: Shortest, Height: 224, Width: 224, CropWidth: 224, CropHeight: 224, Filter: Bicubic, Mean: clipMean, Std: clipStd},
	"Siglip": {Resize: Squash, Height: 224, Width: 224, Filter: Bicubic, Mean: half, Std: half},
	"ViT":    {Resize: Squash, Height: 224, Width: 224, Filter: Bilinear, Mean: half, Std: half},
}

// HuggingFace reads a preprocessor_config.json: CLIP's, SigLIP's and ViT's image processors, also as older and newer
// versions name them. What a file leaves out is that processor's default; without any name it is CLIP's.
func HuggingFace(b []byte) (*Config, error) {
	var f struct {
		Type       string    `json:"image_processor_type"`
		Old        string    `json:"feature_extractor_type"`
		DoResize   *bool     `json:"do_resize"`
		Size       *sizeJSON `json:"size"`
		Resample   *int      `json:"resample"`
		DoCrop     *bool     `json:"do_center_crop"`
		Crop       *sizeJSON `json:"crop_size"`
		DoRescale  *bool     `json:"do_rescale"`
		Rescale    *float64  `json:"rescale_factor"`
		DoNormal   *bool     `json:"do_normalize"`
		Mean       []float64 `json:"image_mean"`
		Std        []float64 `json:"image_std"`
		DoPad      bool      `json:"do_pad"`
		PatchSize  *int      `json:"patch_size"`
		MaxPatches *int      `json:"max_num_patches"`
	}
	if err := decode(b, &f); err != nil {
		return nil, err
	}
	name := f.Type
	if name == "" {
		name = f.Old
	}
	if name == "" {
		name = "CLIPImageProcessor"
	}
	family := ""
	for _, suffix := range []string{"ImageProcessor", "ImageProcessorFast", "FeatureExtractor"} {
		if s, ok := strings.CutSuffix(name, suffix); ok {
			family = s
		}
	}
	c, ok := processors[family]
	switch {
	case f.MaxPatches != nil:
		return nil, fmt.Errorf("%w: %s cuts a picture into as many patches as fit (NaFlex); take a model of fixed resolution", ErrConfig, name)
	case !ok:
		return nil, fmt.Errorf("%w: the image processor %q is not known; CLIP's, Siglip's and ViT's are", ErrConfig, name)
	case f.DoPad:
		return nil, fmt.Errorf("%w: do_pad is not supported", ErrConfig)
	}
	c.Library = LibraryHuggingFace
	if f.Size.given() {
		switch s := *f.Size; {
		case s.shortest != 0 && (family == "CLIP" || s.named): // a plain number is both sides to the others
			c.Resize, c.Height, c.Width = Shortest, s.shortest, s.shortest
		case s.shortest != 0:
			c.Resize, c.Height, c.Width = Squash, s.shortest, s.shortest
		default:
			c.Resize, c.Height, c.Width = Squash, s.height, s.width
		}
	}
	if f.Resample != nil {
		if *f.Resample < 0 || *f.Resample >= len(resamples) {
			return nil, fmt.Errorf("%w: resample is %d; it must be from 0 to %d", ErrConfig, *f.Resample, len(resamples)-1)
		}
		c.Filter = resamples[*f.Resample]
	}
	crop := c.CropWidth != 0
	if f.DoCrop != nil {
		crop = *f.DoCrop
	}
	switch {
	case !crop:
		c.CropWidth, c.CropHeight = 0, 0
	case f.Crop.given() && f.Crop.shortest != 0:
		c.CropWidth, c.CropHeight = f.Crop.shortest, f.Crop.shortest
	case f.Crop.given():
		c.CropWidth, c.CropHeight = f.Crop.width, f.Crop.height
	case c.CropWidth == 0:
		c.CropWidth, c.CropHeight = c.Width, c.Height
	}
	if f.DoResize != nil && !*f.DoResize {
		c.Resize, c.Width, c.Height = None, 0, 0
	}
	c.Rescale = 1.0 / 255
	if f.Rescale != nil {
		c.Rescale = *f.Rescale
	}
	if f.DoRescale != nil && !*f.DoRescale {
		c.Rescale = 1
	}
	if err := colours(&c, f.Mean, f.Std); err != nil {
		return nil, err
	}
	if f.DoNormal != nil && !*f.DoNormal {
		c.Mean, c.Std = [3]float64{}, [3]float64{1, 1, 1}
	}
	return &c, c.Check()
}

// colours takes mean and deviation where a file has them.
func colours(c *Config, mean, std []float64) error {
	for _, p := range []struct {
		name string
		from []float64
		to   *[3]float64
	}{{"mean", mean, &c.Mean}, {"std", std, &c.Std}} {
		switch len(p.from) {
		case 0:
		case 3:
			*p.to = [3]float64(p.from)
		default:
			return fmt.Errorf("%w: %s has %d numbers, want 3", ErrConfig, p.name, len(p.from))
		}
	}
	return nil
}

// OpenCLIP reads an open_clip_config.json: its preprocess_cfg, and model_cfg.vision_cfg.image_size.
func OpenCLIP(b []byte) (*Config, error) {
	var f struct {
		Model struct {
			Vision struct {
				Size *sizeJSON `json:"image_size"`
			} `json:"vision_cfg"`
		} `json:"model_cfg"`
		Preprocess preprocessJSON `json:"preprocess_cfg"`
	}
	if err := decode(b, &f); err != nil {
		return nil, err
	}
	if !f.Preprocess.Size.given() {
		f.Preprocess.Size = f.Model.Vision.Size
	}
	return f.Preprocess.config(LibraryOpenCLIP)
}

// Immich reads a visual/preprocess_cfg.json.
func Immich(b []byte) (*Config, error) {
	var f preprocessJSON
	if err := decode(b, &f); err != nil {
		return nil, err
	}
	return f.config(LibraryImmich)
}

// preprocessJSON is OpenCLIP's preprocess_cfg.
type preprocessJSON struct {
	Size   *sizeJSON       `json:"size"`
	Mode   string          `json:"mode"`
	Mean   []float64       `json:"mean"`
	Std    []float64       `json:"std"`
	Filter string          `json:"interpolation"`
	Resize string          `json:"resize_mode"`
	Fill   json.RawMessage `json:"fill_color"`
}

func (p *preprocessJSON) config(library string) (*Config, error) {
	c := &Config{Library: library, Resize: Shortest, Filter: Bicubic, Mean: clipMean, Std: clipStd, Rescale: 1.0 / 255}
	if p.Mode != "" && p.Mode != "RGB" {
		return nil, fmt.Errorf("%w: pictures of mode %q", ErrConfig, p.Mode)
	}
	if !p.Size.given() {
		return nil, fmt.Errorf("%w: there is no size", ErrConfig)
	}
	c.Height, c.Width = p.Size.height, p.Size.width
	if p.Size.shortest != 0 {
		c.Height, c.Width = p.Size.shortest, p.Size.shortest
	}
	if p.Filter != "" {
		c.Filter = p.Filter
	}
	if !slices.Contains([]string{Bicubic, Bilinear}, c.Filter) {
		return nil, fmt.Errorf("%w: interpolation %q; it must be bicubic or bilinear", ErrConfig, c.Filter)
	}
	if p.Resize != "" {
		c.Resize = p.Resize
	}
	if library == LibraryImmich {
		c.Resize, c.Filter = Shortest, Bicubic // whatever the file says: its server heeds neither
	}
	switch c.Resize {
	case Squash, Shortest, Longest:
	default:
		return nil, fmt.Errorf("%w: resize_mode %q; it must be shortest, longest or squash", ErrConfig, c.Resize)
	}
	if c.Resize != Squash {
		if c.Height != c.Width {
			return nil, fmt.Errorf("%w: %d×%d is not square, with resize_mode %s", ErrConfig, c.Width, c.Height, c.Resize)
		}
		c.CropHeight, c.CropWidth = c.Height, c.Width
	}
	if len(p.Fill) > 0 {
		var fill float64
		if json.Unmarshal(p.Fill, &fill) == nil && fill >= 0 && fill <= 255 {
			c.Fill = uint8(math.Round(fill))
		}
	}
	if err := colours(c, p.Mean, p.Std); err != nil {
		return nil, err
	}
	return c, c.Check()
}
