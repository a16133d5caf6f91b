package regions

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
)

const (
	kindPatches, kindONNX              = "patches", "onnx"
	kindSegments                       = "segments"
	layoutNCHW, layoutNHWC             = "NCHW", "NHWC"
	layoutNLC, layoutNC                = "NLC", "NC"
	boxesNone, boxesROI, boxesCrop     = "none", "roi", "crop"
	tagsAll, tagsUnique, tagsNone      = "all", "unique", "none"
	boxesYOLOX, boxesYOLOv5            = "yolox", "yolov5"
	boxesYOLOv8, boxesNMS              = "yolov8", "nms"
	coordXYXY, coordYXYX               = "xyxy", "yxyx"
	coordXYWH, coordCXCYWH             = "xywh", "cxcywh"
	resizeStretch, resizeCrop          = "stretch", "crop"
	resizeLetterbox                    = "letterbox"
	alignCentre, alignTopLeft          = "centre", "topleft"
	filterBicubic, filterBilinear      = "bicubic", "bilinear"
	maxSide, maxGrid, maxPatchFeatures = 8192, 256, 1 << 16
)

// Validate checks everything that can be known without opening the models.
func (c *Config) Validate() error {
	v := validator{}
	c.full().check(&v)
	return v.err
}

// validator keeps the first complaint.
type validator struct{ err error }

func (v *validator) fail(key, format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf("%w: %s: %s", ErrConfig, key, fmt.Sprintf(format, args...))
	}
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.fail(key, "%q is not one of %q", value, allowed)
	}
}

func (v *validator) within(key string, value, lo, hi float64) {
	if !(value >= lo && value <= hi) {
		v.fail(key, "%v is not within %v…%v", value, lo, hi)
	}
}

func (v *validator) file(key, name string) {
	switch {
	case name == "":
		v.fail(key, "is missing")
	case !filepath.IsLocal(name):
		v.fail(key, "%q must be a path below the configuration's folder", name)
	}
}

func (c *Config) check(v *validator) {
	v.oneOf("kind", c.Kind, kindPatches, kindSegments, kindONNX)
	if v.err != nil {
		return // the rest depends on it
	}
	if c.Standardise != "" {
		v.file("standardise", c.Standardise)
	}
	for kind, there := range map[string]bool{kindPatches: c.Patches != nil, kindSegments: c.Segments != nil} {
		if there && c.Kind != kind {
			v.fail(kind, "kind %q has none", c.Kind)
		}
	}
	if c.Kind != kindONNX {
		switch {
		case c.ShorterSide != 0:
			v.fail("shorter_side", "kind %q has none", c.Kind)
		case len(c.Models) > 0:
			v.fail("models", "kind %q has none", c.Kind)
		case c.Regions != nil:
			v.fail("regions", "kind %q has none", c.Kind)
		case c.Kind == kindSegments:
			v.within("segments.size", float64(c.Segments.Size), 32, 512)
			v.within("segments.keep", float64(c.Segments.Keep), 1, 256)
		case c.Patches == nil:
			v.fail("patches", "is missing")
		default:
			c.Patches.check(v)
		}
		return
	}
	if c.ShorterSide != 0 {
		v.within("shorter_side", float64(c.ShorterSide), 32, maxSide)
	}
	if len(c.Models) == 0 {
		v.fail("models", "kind %q needs at least one", kindONNX)
		return
	}
	detectors, maps := 0, 0
	for i := range c.Models {
		m := &c.Models[i]
		m.check(v, fmt.Sprintf("models[%d]", i))
		if m.Boxes != nil {
			detectors++
		}
		maps += len(m.FeatureMaps)
	}
	if detectors > 1 {
		v.fail("models", "%d models have boxes; at most one may", detectors)
	}
	if maps == 0 {
		v.fail("models", "none has a feature_map, so regions would have no features")
	}
	c.Regions.check(v, detectors > 0)
}

func (p *PatchConfig) check(v *validator) {
	v.within("patches.size", float64(p.Size), 1, maxSide)
	v.within("patches.patch", float64(p.Patch), 1, float64(p.Size))
	v.within("patches.stride", float64(p.Stride), 1, float64(p.Size))
	if v.err != nil {
		return
	}
	if rest := (p.Size - p.Patch) % p.Stride; rest != 0 {
		v.fail("patches.stride", "size %d − patch %d is no multiple of %d: %d pixels would be left over", p.Size, p.Patch, p.Stride, rest)
	}
	if n := p.Grid(); n > maxGrid {
		v.fail("patches.stride", "%d×%d patches; at most %d a side", n, n, maxGrid)
	}
	if n := 3 * p.Patch * p.Patch; n > maxPatchFeatures {
		v.fail("patches.patch", "%d features a patch; at most %d", n, maxPatchFeatures)
	}
	p.Resize.check(v, "patches.resize")
}

func (m *ModelConfig) check(v *validator, key string) {
	v.file(key+".file", m.File)
	if m.Size != nil {
		if len(m.Size) != 2 {
			v.fail(key+".size", "%v is not height and width", m.Size)
		}
		for _, n := range m.Size {
			v.within(key+".size", float64(n), 1, maxSide)
		}
	}
	v.oneOf(key+".layout", m.Layout, layoutNCHW, layoutNHWC)
	v.oneOf(key+".channels", m.Channels, "RGB", "BGR")
	for name, values := range map[string][]float64{"mean": m.Mean, "std": m.Std, "scale": {m.Scale, m.Scale, m.Scale}} {
		if len(values) != 3 {
			v.fail(key+"."+name, "%v is not three numbers, for red, green and blue", values)
		}
		for _, x := range values {
			if math.IsNaN(x) || math.IsInf(x, 0) || x == 0 && name != "mean" {
				v.fail(key+"."+name, "%v cannot be used", x)
			}
		}
	}
	m.Resize.check(v, key+".resize")
	v.within(key+".batch", float64(m.Batch), 0, 1024)
	if len(m.FeatureMaps) == 0 && m.Boxes == nil {
		v.fail(key, "has neither feature_map nor boxes, so it would be run for nothing")
	}
	for i := range m.FeatureMaps {
		at := key + ".feature_map"
		if len(m.FeatureMaps) > 1 {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		m.FeatureMaps[i].check(v, at)
		if slices.ContainsFunc(m.FeatureMaps[:i], func(f FeatureMapConfig) bool { return f.Output == m.FeatureMaps[i].Output }) {
			v.fail(at+".output", "%q is read twice", m.FeatureMaps[i].Output)
		}
	}
	if m.Boxes != nil {
		m.Boxes.check(v, key+".boxes")
	}
}

func (f *FeatureMapConfig) check(v *validator, key string) {
	if f.Output == "" {
		v.fail(key+".output", "is missing")
	}
	v.oneOf(key+".layout", f.Layout, layoutNCHW, layoutNHWC, layoutNLC, layoutNC)
	v.within(key+".skip", float64(f.Skip), 0, 1024)
	if f.Skip > 0 && f.Layout != layoutNLC {
		v.fail(key+".skip", "is only for layout %q", layoutNLC)
	}
	v.within(key+".power", f.Power, 0, 4)
}

func (b *BoxConfig) check(v *validator, key string) {
	v.oneOf(key+".kind", b.Kind, boxesYOLOX, boxesYOLOv5, boxesYOLOv8, boxesNMS)
	if b.Kind == boxesNMS {
		if b.Boxes == "" || b.Scores == "" {
			v.fail(key, "kind %q needs the names of the outputs boxes and scores", boxesNMS)
		}
		if b.Output != "" {
			v.fail(key+".output", "kind %q has boxes, scores and classes instead", boxesNMS)
		}
		v.oneOf(key+".coordinates", b.Coordinates, coordXYXY, coordYXYX, coordXYWH, coordCXCYWH)
	} else {
		if b.Boxes != "" || b.Scores != "" || b.Classes != "" || b.Count != "" || b.Coordinates != "" || b.Relative || b.FirstClass != 0 {
			v.fail(key, "boxes, scores, classes, count, coordinates, relative and first_class are only for kind %q", boxesNMS)
		}
	}
	if b.Kind != boxesYOLOX && b.Strides != nil {
		v.fail(key+".strides", "is only for kind %q", boxesYOLOX)
	}
	for _, s := range b.Strides {
		v.within(key+".strides", float64(s), 1, maxSide)
	}
	v.within(key+".score_threshold", float64(b.ScoreThreshold), 0, 1)
	v.within(key+".nms_iou", float64(b.NMSIoU), 0, 1)
	v.within(key+".max_boxes", float64(b.MaxBoxes), 1, 1000)
	v.within(key+".first_class", float64(b.FirstClass), 0, 1e6)
	if len(b.Names) == 0 {
		v.fail(key+".names", "is missing: a list of class names, or %q", coco80)
	}
}

func (r *RegionConfig) check(v *validator, detector bool) {
	if r.Grid != nil {
		if len(r.Grid) != 2 {
			v.fail("regions.grid", "%v is not rows and columns", r.Grid)
		}
		for _, n := range r.Grid {
			v.within("regions.grid", float64(n), 1, maxGrid)
		}
	}
	v.within("regions.grid_overlap", r.GridOverlap, 0, 2)
	v.oneOf("regions.boxes", r.Boxes, boxesNone, boxesROI, boxesCrop)
	if r.Boxes != boxesNone && !detector {
		v.fail("regions.boxes", "is %q, but no model has boxes", r.Boxes)
	}
	v.within("regions.crop_margin", r.CropMargin, 0, 2)
	v.oneOf("regions.tags", r.Tags, tagsAll, tagsUnique, tagsNone)
	v.within("regions.power", r.Power, 0, 4)
}

func (r *ResizeConfig) check(v *validator, key string) {
	v.oneOf(key+".mode", r.Mode, resizeStretch, resizeCrop, resizeLetterbox)
	v.oneOf(key+".filter", r.Filter, filterBicubic, filterBilinear)
	v.oneOf(key+".align", r.Align, alignCentre, alignTopLeft)
	if r.Pad != nil {
		v.within(key+".pad", *r.Pad, 0, 255)
	}
	v.within(key+".crop_fraction", r.CropFraction, 0.01, 1)
}
