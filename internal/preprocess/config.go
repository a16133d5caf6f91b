package preprocess

import (
	"fmt"
	"image"
	"math"
)

// Filters, by Pillow's names.
const (
	Nearest  = "nearest"
	Box      = "box"
	Bilinear = "bilinear"
	Hamming  = "hamming"
	Bicubic  = "bicubic"
	Lanczos  = "lanczos"
)

// Ways to resize.
const (
	None     = "none"     // the picture stays as large as it is
	Shortest = "shortest" // the short side becomes Height, the long one in proportion
	Longest  = "longest"  // the picture fits into Width×Height
	Squash   = "squash"   // to Width×Height whatever its proportions
)

// Libraries, whose rounding a Config follows.
const (
	LibraryHuggingFace = "huggingface"
	LibraryOpenCLIP    = "openclip"
	LibraryImmich      = "immich"
)

// A Config is what is done to a picture. It is stored in a bundle as JSON.
type Config struct {
	Library string `json:"library"`
	Resize  string `json:"resize"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`
	Filter  string `json:"filter"`
	// CropWidth and CropHeight are the centre crop's, which is padded with Fill where the picture is smaller; 0: none.
	CropWidth  int   `json:"crop_width,omitempty"`
	CropHeight int   `json:"crop_height,omitempty"`
	Fill       uint8 `json:"fill,omitempty"`
	// Rescale multiplies the levels 0 to 255 before Mean is subtracted and the result divided by Std.
	Rescale float64    `json:"rescale"`
	Mean    [3]float64 `json:"mean"`
	Std     [3]float64 `json:"std"`
}

// maxSide bounds the sides of the tensor.
const maxSide = 4096

// Check says what is wrong.
func (c *Config) Check() error {
	side := func(what string, n, least int) error {
		if n < least || n > maxSide {
			return fmt.Errorf("%w: %s is %d; it must be from %d to %d", ErrConfig, what, n, least, maxSide)
		}
		return nil
	}
	switch c.Library {
	case LibraryHuggingFace, LibraryOpenCLIP, LibraryImmich:
	default:
		return fmt.Errorf("%w: library %q", ErrConfig, c.Library)
	}
	if _, ok := kernels[c.Filter]; !ok && c.Filter != Nearest {
		return fmt.Errorf("%w: filter %q", ErrConfig, c.Filter)
	}
	switch c.Resize {
	case None, Shortest, Longest:
		if c.CropWidth == 0 {
			return fmt.Errorf("%w: resize %q without a crop leaves pictures of any size", ErrConfig, c.Resize)
		}
	case Squash:
	default:
		return fmt.Errorf("%w: resize %q", ErrConfig, c.Resize)
	}
	if c.Resize != None {
		if err := side("height", c.Height, 1); err != nil {
			return err
		}
		if err := side("width", c.Width, 1); err != nil {
			return err
		}
	}
	if c.CropWidth != 0 || c.CropHeight != 0 {
		if err := side("crop_width", c.CropWidth, 1); err != nil {
			return err
		}
		if err := side("crop_height", c.CropHeight, 1); err != nil {
			return err
		}
	}
	for i := range 3 {
		if s := c.Std[i]; !(s > 0) || math.IsInf(s, 0) || math.IsNaN(c.Mean[i]) || math.IsInf(c.Mean[i], 0) {
			return fmt.Errorf("%w: mean %v, std %v", ErrConfig, c.Mean, c.Std)
		}
	}
	if !(c.Rescale > 0) || math.IsInf(c.Rescale, 0) {
		return fmt.Errorf("%w: rescale %v", ErrConfig, c.Rescale)
	}
	return nil
}

// Size is the tensor's width and height.
func (c *Config) Size() (w, h int) {
	if c.CropWidth != 0 {
		return c.CropWidth, c.CropHeight
	}
	return c.Width, c.Height
}

// resized is how large a picture becomes before it is cropped.
func (c *Config) resized(w, h int) (int, int) {
	switch c.Resize {
	case Squash:
		return c.Width, c.Height
	case Longest:
		ratio := max(float64(h)/float64(c.Height), float64(w)/float64(c.Width))
		return max(1, int(math.RoundToEven(float64(w)/ratio))), max(1, int(math.RoundToEven(float64(h)/ratio)))
	case Shortest:
		size := c.Height
		long, short := max(w, h), min(w, h)
		side := size
		if c.Library == LibraryImmich {
			side = int(float64(long) / float64(short) * float64(size))
		} else {
			side = int(float64(size*long) / float64(short))
		}
		if w <= h {
			return size, side
		}
		return side, size
	}
	return w, h
}

// offset is where a crop of n out of size pixels begins; negative where the picture is smaller.
func (c *Config) offset(size, n int) int {
	d := size - n
	switch {
	case c.Library == LibraryImmich:
		return int(float64(size)/2 - float64(n)/2)
	case d < 0 && c.Library == LibraryHuggingFace:
		return -((-d + 1) / 2)
	case d < 0:
		return -(-d / 2)
	case c.Library == LibraryOpenCLIP:
		return int(math.RoundToEven(float64(d) / 2))
	}
	return d / 2
}

// Shown is the part of a picture of w×h pixels that the tensor shows: x1, y1, x2, y2 as shares of its sides. It
// lies partly outside, below 0 and above 1, where a crop is larger than the resized picture.
func (c *Config) Shown(w, h int) [4]float32 {
	if c.CropWidth == 0 || w < 1 || h < 1 {
		return [4]float32{0, 0, 1, 1}
	}
	rw, rh := c.resized(w, h)
	x, y := c.offset(rw, c.CropWidth), c.offset(rh, c.CropHeight)
	return [4]float32{
		float32(x) / float32(rw), float32(y) / float32(rh),
		float32(x+c.CropWidth) / float32(rw), float32(y+c.CropHeight) / float32(rh),
	}
}

// Tensor writes the picture to dst as three planes, red, green and blue, row by row: 3·w·h values of [Config.Size].
func (c *Config) Tensor(dst []float32, m image.Image) error {
	if err := c.Check(); err != nil {
		return err
	}
	width, height := c.Size()
	if len(dst) != 3*width*height {
		return fmt.Errorf("%w: room for %d values, want 3×%d×%d", ErrConfig, len(dst), height, width)
	}
	b := m.Bounds()
	if b.Empty() {
		return fmt.Errorf("%w: it is %d×%d pixels large", ErrPicture, b.Dx(), b.Dy())
	}
	// OpenCLIP makes pictures opaque after they are resized, the others before.
	src := newBitmap(m, c.Library == LibraryOpenCLIP)
	if src.n == 4 && c.Filter != Nearest {
		src.premultiply()
	}
	w, h := c.resized(src.w, src.h)
	x, y := 0, 0
	if c.CropWidth != 0 {
		x, y = c.offset(w, width), c.offset(h, height)
	}
	r := rect{max(x, 0), max(y, 0), min(x+width, w), min(y+height, h)}
	if r.x1 <= r.x0 || r.y1 <= r.y0 {
		return fmt.Errorf("%w: a picture of %d×%d pixels leaves nothing to crop", ErrPicture, src.w, src.h)
	}
	var out *bitmap
	if c.Filter == Nearest {
		out = src.nearest(w, h, r)
	} else {
		out = src.resample(w, h, r, kernels[c.Filter])
	}
	if out.n == 4 {
		if c.Filter == Nearest {
			// Nothing was multiplied in: alpha is only dropped.
			for i := 3; i < len(out.pix); i += 4 {
				out.pix[i] = 255
			}
		}
		out = out.opaque()
	}
	c.normalize(dst, out, r.x0-x, r.y0-y)
	return nil
}

// normalize writes out to dst with its upper left corner at x, y.
func (c *Config) normalize(dst []float32, out *bitmap, x0, y0 int) {
	width, height := c.Size()
	n := width * height
	for plane := range 3 {
		table := c.levels(plane)
		d := dst[plane*n : (plane+1)*n]
		if out.w != width || out.h != height {
			for i := range d {
				d[i] = table[c.Fill]
			}
		}
		channel := plane
		if out.n == 1 {
			channel = 0
		}
		for y := range out.h {
			row := d[(y0+y)*width+x0:][:out.w]
			src := out.pix[y*out.w*out.n+channel:]
			for x := range row {
				row[x] = table[src[x*out.n]]
			}
		}
	}
}

// levels is what each of the 256 levels of a channel becomes.
func (c *Config) levels(channel int) (t [256]float32) {
	mean, std := float32(c.Mean[channel]), float32(c.Std[channel])
	for i := range t {
		v := float32(float64(i) * c.Rescale)
		if c.Library != LibraryHuggingFace && c.Rescale == 1.0/255 {
			v = float32(i) / 255
		}
		t[i] = (v - mean) / std
	}
	return t
}
