package vinvl

import (
	"fmt"
	"slices"
	"strings"
)

// A Detection says whose regions and whose labels a picture has: VinVL's Faster R-CNN (features.tsv,
// predictions.tsv), Detic (detic.tsv), or both. The zero value is Fast, all that ALADIN 1.0 knows.
type Detection int

const (
	// Fast: everything from Faster R-CNN, 2054 numbers a region.
	Fast Detection = iota
	// Det: everything from Detic, 1024 + 6 numbers a region.
	Det
	// DetPadded: as Det, with zeros after the box numbers up to the size of a Faster R-CNN region.
	DetPadded
	// DetFast: both merged (see [Merge]), Detic's regions padded as in DetPadded.
	DetFast
	// DetFastLabels: labels from the merge, regions from Faster R-CNN.
	DetFastLabels
	// FastDetLabels: labels from Detic, regions from Faster R-CNN, nothing merged.
	FastDetLabels
)

var detections = [...]string{"fast", "det", "det_padded", "det+fast", "det+fast_labels", "fast+det_labels"}

// detFastPadded is another name of DetFast: Detic's regions are padded in both. Whether they pass through
// layers of their own is the network's business.
const detFastPadded = "det+fast_padded"

// Detections are the names that ParseDetection knows.
func Detections() []string { return append(slices.Clone(detections[:]), detFastPadded) }

// ParseDetection reads the value of ALADIN-2.0's detection_type; "" is fast.
func ParseDetection(s string) (Detection, error) {
	switch s {
	case "":
		return Fast, nil
	case detFastPadded:
		return DetFast, nil
	}
	for i, name := range detections {
		if s == name {
			return Detection(i), nil
		}
	}
	return 0, fmt.Errorf("%w: %s; known are %s", ErrDetection, clip(s), strings.Join(Detections(), ", "))
}

func (d Detection) String() string {
	if d < 0 || int(d) >= len(detections) {
		return fmt.Sprintf("Detection(%d)", int(d))
	}
	return detections[d]
}

// fastRegions, fastObjects, detRegions and detObjects tell which parts of which detector are read.
func (d Detection) fastRegions() bool { return d != Det && d != DetPadded }
func (d Detection) fastObjects() bool { return d == Fast || d.merged() }
func (d Detection) detRegions() bool  { return d == Det || d == DetPadded || d == DetFast }
func (d Detection) detObjects() bool  { return d != Fast }
func (d Detection) merged() bool      { return d == DetFast || d == DetFastLabels }
