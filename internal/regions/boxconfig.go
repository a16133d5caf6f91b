package regions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aladin-go/aladin/internal/regions/detect"
)

// A BoxConfig says how a model's outputs are read as boxes with classes.
type BoxConfig struct {
	// Kind is how boxes are written:
	//   "yolox"  Output [1, cells, 5+classes] before decoding: per cell of every stride's grid x, y, log w, log h,
	//            objectness, class scores;
	//   "yolov5" Output [1, boxes, 5+classes]: centre x, y, width, height in input pixels, objectness, class scores;
	//   "yolov8" Output [1, 4+classes, boxes]: the same without objectness, a column a box;
	//   "nms"    separate outputs: Boxes [1, n, 4], Scores [1, n] with Classes [1, n], or Scores [1, n, classes].
	Kind string `json:"kind"`
	// Output is for the yolo kinds. Default: the model's only output.
	Output string `json:"output,omitempty"`
	// Strides are the grids of "yolox", in the output's order. Default: 8, 16, 32.
	Strides []int `json:"strides,omitempty"`
	// Boxes, Scores, Classes and Count name the outputs of "nms"; Classes and Count (how many of the n
	// are filled) may be left out.
	Boxes   string `json:"boxes,omitempty"`
	Scores  string `json:"scores,omitempty"`
	Classes string `json:"classes,omitempty"`
	Count   string `json:"count,omitempty"`
	// Coordinates are those of "nms": "xyxy" (the default), "yxyx", "xywh" (corner) or "cxcywh" (centre).
	Coordinates string `json:"coordinates,omitempty"`
	// Relative says that the coordinates of "nms" are fractions of the input, not its pixels.
	Relative bool `json:"relative,omitempty"`
	// FirstClass is the number of the first class name in Classes or Scores of "nms"; 1 where 0 is the
	// background. Boxes of lower classes are dropped.
	FirstClass int `json:"first_class,omitempty"`
	// ScoreThreshold drops boxes that score less. Default: 0.3.
	ScoreThreshold float32 `json:"score_threshold,omitempty"`
	// NMSIoU drops boxes that overlap a better one of the same class by more; 1 keeps all. Default: 0.45,
	// for "nms" 1.
	NMSIoU float32 `json:"nms_iou,omitempty"`
	// ClassAgnostic lets boxes drop those of other classes too.
	ClassAgnostic bool `json:"class_agnostic,omitempty"`
	// MaxBoxes keeps the best. Default: 20.
	MaxBoxes int `json:"max_boxes,omitempty"`
	// Names are the class names, in order: a list, or "coco80".
	Names ClassNames `json:"names"`
}

func (b *BoxConfig) fill() {
	if b.Kind == boxesYOLOX && b.Strides == nil {
		b.Strides = []int{8, 16, 32}
	}
	b.ScoreThreshold = orElse(b.ScoreThreshold, 0.3)
	if b.Kind == boxesNMS {
		b.Coordinates = orElse(b.Coordinates, coordXYXY)
		b.NMSIoU = orElse(b.NMSIoU, 1)
	}
	b.NMSIoU = orElse(b.NMSIoU, 0.45)
	b.MaxBoxes = orElse(b.MaxBoxes, 20)
}

// ClassNames is a list of names; in JSON the name of a known list stands for it.
type ClassNames []string

const coco80 = "coco80"

// UnmarshalJSON reads a list of names, or "coco80".
func (n *ClassNames) UnmarshalJSON(data []byte) error {
	var name string
	if bytes.HasPrefix(data, []byte{'"'}) && json.Unmarshal(data, &name) == nil {
		if name != coco80 {
			return fmt.Errorf("%w: no list of class names is called %q; %q is, or give the names", ErrConfig, name, coco80)
		}
		*n = detect.COCO80()
		return nil
	}
	return json.Unmarshal(data, (*[]string)(n))
}

// MarshalJSON writes a known list by its name.
func (n ClassNames) MarshalJSON() ([]byte, error) {
	if slices.Equal(n, detect.COCO80()) {
		return json.Marshal(coco80)
	}
	return json.Marshal([]string(n))
}
