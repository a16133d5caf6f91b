package detect

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/region"
)

// A Table is the outputs of a detector that decodes its boxes itself.
type Table struct {
	Boxes   []float32 // four a box
	Scores  []float32 // one a box, or one a box and class
	Classes []float32 // one a box; nil with scores for each class, or a single class
	Count   int       // boxes that are filled

	Swap           bool    // y comes before x
	Sides          bool    // the last two are width and height
	Corner         bool    // the first two are a corner, not the centre (with Sides)
	ScaleX, ScaleY float32 // what coordinates are multiplied by; 0 means 1
}

// Detections reads the table: those that score at least threshold. Class numbers begin at first; boxes
// of classes outside first … first+classes−1 (a background) are dropped.
func (t Table) Detections(first, classes int, threshold float32) ([]Detection, error) {
	n := len(t.Boxes) / 4
	switch {
	case len(t.Boxes)%4 != 0:
		return nil, fmt.Errorf("detect: %d box coordinates are no multiple of 4", len(t.Boxes))
	case n == 0:
		return nil, nil
	case len(t.Scores)%n != 0 || len(t.Scores) == 0:
		return nil, fmt.Errorf("detect: %d scores for %d boxes", len(t.Scores), n)
	case t.Classes != nil && (len(t.Classes) != n || len(t.Scores) != n):
		return nil, fmt.Errorf("detect: %d classes and %d scores for %d boxes", len(t.Classes), len(t.Scores), n)
	}
	perBox := len(t.Scores) / n
	if t.Classes == nil && perBox < first+classes && perBox != 1 {
		return nil, fmt.Errorf("detect: %d scores a box for %d classes from number %d on", perBox, classes, first)
	}
	var found []Detection
	for i := range min(t.Count, n) {
		var class int
		score := t.Scores[i*perBox]
		switch {
		case t.Classes != nil:
			if c := t.Classes[i]; c >= 0 && c < 1e9 {
				class = int(c) - first
			} else {
				continue
			}
		case perBox > 1:
			class, score = best(t.Scores[i*perBox+first:][:classes])
		}
		if class < 0 || class >= classes || !(score >= threshold) {
			continue
		}
		found = keep(found, t.box(t.Boxes[4*i:4*i+4]), class, score)
	}
	return found, nil
}

func (t Table) box(v []float32) region.Box {
	a, b, c, d := v[0], v[1], v[2], v[3]
	if t.Swap {
		a, b, c, d = b, a, d, c
	}
	if t.ScaleX != 0 {
		a, c = a*t.ScaleX, c*t.ScaleX
	}
	if t.ScaleY != 0 {
		b, d = b*t.ScaleY, d*t.ScaleY
	}
	switch {
	case !t.Sides:
		return region.Box{a, b, c, d}
	case t.Corner:
		return region.Box{a, b, a + c, b + d}
	}
	return centred(a, b, c, d)
}
