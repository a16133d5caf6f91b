// Package detect reads the raw outputs of object detectors as boxes with classes.
//
// Boxes are in pixels of the detector's input. All functions are pure; NaN and infinite values in an
// output make the box vanish rather than spread.
package detect

import (
	"fmt"
	"math"
	"slices"

	"github.com/aladin-go/aladin/internal/region"
)

// A Detection is one object.
type Detection struct {
	Box   region.Box // x1, y1, x2, y2
	Class int
	Score float32
}

// YOLOX reads an output of rows {x, y, log w, log h, objectness, class scores…}, a row for each cell of
// the grids of w×h that strides make, keeping those whose objectness · best class score reaches threshold.
func YOLOX(out []float32, w, h int, strides []int, classes int, threshold float32) ([]Detection, error) {
	cells := 0
	for _, s := range strides {
		cells += (w / s) * (h / s)
	}
	n := 5 + classes
	if len(out) != cells*n {
		return nil, fmt.Errorf("detect: YOLOX output of %d values; strides %v over %d×%d with %d classes make %d×%d = %d", len(out), strides, w, h, classes, cells, n, cells*n)
	}
	var found []Detection
	row := out
	for _, s := range strides {
		for y := range h / s {
			for x := range w / s {
				class, score := best(row[5:n])
				if score *= row[4]; score >= threshold {
					stride := float32(s)
					found = keep(found, centred((row[0]+float32(x))*stride, (row[1]+float32(y))*stride, exp(row[2])*stride, exp(row[3])*stride), class, score)
				}
				row = row[n:]
			}
		}
	}
	return found, nil
}

// YOLOv5 reads rows {centre x, y, width, height, objectness, class scores…}.
func YOLOv5(out []float32, classes int, threshold float32) ([]Detection, error) {
	n := 5 + classes
	if len(out)%n != 0 {
		return nil, fmt.Errorf("detect: YOLOv5 output of %d values is no multiple of 5 + %d classes", len(out), classes)
	}
	var found []Detection
	for ; len(out) > 0; out = out[n:] {
		class, score := best(out[5:n])
		if score *= out[4]; score >= threshold {
			found = keep(found, centred(out[0], out[1], out[2], out[3]), class, score)
		}
	}
	return found, nil
}

// YOLOv8 reads columns {centre x, y, width, height, class scores…}.
func YOLOv8(out []float32, classes int, threshold float32) ([]Detection, error) {
	n := 4 + classes
	if len(out)%n != 0 {
		return nil, fmt.Errorf("detect: YOLOv8 output of %d values is no multiple of 4 + %d classes", len(out), classes)
	}
	boxes := len(out) / n
	var found []Detection
	scores := make([]float32, classes)
	for i := range boxes {
		for c := range scores {
			scores[c] = out[(4+c)*boxes+i]
		}
		if class, score := best(scores); score >= threshold {
			found = keep(found, centred(out[i], out[boxes+i], out[2*boxes+i], out[3*boxes+i]), class, score)
		}
	}
	return found, nil
}

// Suppress is non-maximum suppression: the detections by falling score (ties in their order), without those
// that overlap a better one of the same class (of any, if agnostic) by more than iou, and at most limit.
func Suppress(found []Detection, iou float32, agnostic bool, limit int) []Detection {
	sorted := slices.Clone(found)
	slices.SortStableFunc(sorted, func(a, b Detection) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	var kept []Detection
	for _, d := range sorted {
		if len(kept) == limit {
			break
		}
		if !slices.ContainsFunc(kept, func(k Detection) bool {
			return (agnostic || k.Class == d.Class) && region.IoU(k.Box, d.Box) > iou
		}) {
			kept = append(kept, d)
		}
	}
	return kept
}

// best is the highest of the scores and its place; NaNs lose.
func best(scores []float32) (class int, score float32) {
	for c, s := range scores {
		if s > score {
			class, score = c, s
		}
	}
	return class, score
}

// centred is the box around a centre.
func centred(x, y, w, h float32) region.Box { return region.Box{x - w/2, y - h/2, x + w/2, y + h/2} }

func keep(found []Detection, b region.Box, class int, score float32) []Detection {
	for _, v := range b {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return found
		}
	}
	return append(found, Detection{b, class, score})
}

func exp(v float32) float32 { return float32(math.Exp(float64(v))) }
