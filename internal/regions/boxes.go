package regions

import (
	"fmt"

	"github.com/aladin-go/aladin/internal/region"
	"github.com/aladin-go/aladin/internal/regions/detect"
)

// An object is a detection in a view.
type object struct {
	box  region.Box // of the view
	name string
}

// objects reads the detector's reply: the objects by falling score.
func (m *model) objects(r reply) ([]object, error) {
	b := m.cfg.Boxes
	found, err := m.detections(r)
	if err != nil {
		return nil, fmt.Errorf("%w: model %q: %w", ErrModel, m.cfg.Name, err)
	}
	inside := found[:0]
	for _, d := range found {
		// Boxes are cut at the picture's edges before they compete, and those in the padding vanish.
		if d.Box = r.frame.toView(d.Box); region.Area(d.Box) > 0 {
			inside = append(inside, d)
		}
	}
	var out []object
	for _, d := range detect.Suppress(inside, b.NMSIoU, b.ClassAgnostic, b.MaxBoxes) {
		out = append(out, object{d.Box, b.Names[d.Class]})
	}
	return out, nil
}

// detections are those above the threshold, in pixels of the input, with classes that have a name.
func (m *model) detections(r reply) ([]detect.Detection, error) {
	b := m.cfg.Boxes
	n := len(b.Names)
	out := r.values[b.Output]
	switch b.Kind {
	case boxesYOLOX:
		return detect.YOLOX(out.data, m.w, m.h, b.Strides, n, b.ScoreThreshold)
	case boxesYOLOv5:
		return detect.YOLOv5(out.data, n, b.ScoreThreshold)
	case boxesYOLOv8:
		return detect.YOLOv8(out.data, n, b.ScoreThreshold)
	}
	t := detect.Table{Boxes: r.values[b.Boxes].data, Scores: r.values[b.Scores].data, Corner: b.Coordinates != coordCXCYWH}
	switch b.Coordinates {
	case coordYXYX:
		t.Swap = true
	case coordXYWH, coordCXCYWH:
		t.Sides = true
	}
	if b.Classes != "" {
		t.Classes = r.values[b.Classes].data
	}
	t.Count = len(t.Boxes) / 4
	if b.Count != "" {
		if count := r.values[b.Count].data; len(count) != 1 {
			return nil, fmt.Errorf("output %q has %d values, not 1", b.Count, len(count))
		} else {
			t.Count = int(min(max(count[0], 0), float32(t.Count)))
		}
	}
	if b.Relative {
		t.ScaleX, t.ScaleY = float32(m.w), float32(m.h)
	}
	return t.Detections(b.FirstClass, n, b.ScoreThreshold)
}
