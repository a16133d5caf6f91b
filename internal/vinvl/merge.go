package vinvl

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/region"
)

const (
	mergeIoU  = 0.5 // overlapping more than this, two boxes of one class are one object
	mergeKeep = 100 // boxes kept of one picture
)

// Stats are mean and standard deviation of the confidences of each detector over a set of pictures.
type Stats struct {
	FastMean, FastStd float64
	DetMean, DetStd   float64
}

// A moment accumulates mean and variance (Welford).
type moment struct {
	n        int
	mean, m2 float64
}

func (m *moment) add(objects []Object) {
	for i := range objects {
		m.n++
		d := objects[i].Conf - m.mean
		m.mean += d / float64(m.n)
		m.m2 += d * (objects[i].Conf - m.mean)
	}
}

// std is the population's standard deviation; 1 where it is 0, so that scores can be divided by it.
func (m *moment) std() float64 {
	if m.n == 0 || m.m2 <= 0 {
		return 1
	}
	return math.Sqrt(m.m2 / float64(m.n))
}

// A Merged is an object that survived a merge: object Index of Faster R-CNN, or of Detic.
type Merged struct {
	Detic  bool
	Index  int
	ZScore float64 // confidence in standard deviations from the mean of its detector
}

// Merge joins the detections of two detectors as ALADIN-2.0 means to:
//
//   - A class of Detic that shares a word with a class of Faster R-CNN in the picture counts as that class.
//   - Of boxes of one class that overlap by more than half (IoU), the best is kept, where every box of
//     Faster R-CNN beats every box of Detic and the confidence decides otherwise; at most 100 in all.
//   - What is kept is ordered by the confidence in standard deviations from its detector's mean (s).
//
// Equal scores keep Faster R-CNN before Detic and the order of the files. The released code pairs the
// scores with the wrong boxes and the boxes with the wrong features; this does not.
func Merge(fast, det *Objects, s Stats) []Merged {
	classes := unifyClasses(fast.Classes(), det.Classes())
	type candidate struct {
		Merged
		prior float64
		class int
		box   region.Box
	}
	raise := 0.0
	for _, o := range det.Objects {
		raise = max(raise, o.Conf)
	}
	all := make([]candidate, 0, len(fast.Objects)+len(det.Objects))
	for i, o := range fast.Objects {
		all = append(all, candidate{Merged{false, i, (o.Conf - s.FastMean) / nonzero(s.FastStd)}, o.Conf + raise, classes[i], pixels(o)})
	}
	for i, o := range det.Objects {
		all = append(all, candidate{Merged{true, i, (o.Conf - s.DetMean) / nonzero(s.DetStd)}, o.Conf, classes[len(fast.Objects)+i], pixels(o)})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.prior, a.prior) })

	kept := make([]candidate, 0, mergeKeep)
next:
	for _, c := range all {
		for _, k := range kept {
			if k.class == c.class && region.IoU(k.box, c.box) > mergeIoU {
				continue next
			}
		}
		if kept = append(kept, c); len(kept) == mergeKeep {
			break
		}
	}
	slices.SortStableFunc(kept, func(a, b candidate) int {
		if c := cmp.Compare(b.ZScore, a.ZScore); c != 0 || a.Detic != b.Detic {
			return cmp.Or(c, boolCompare(a.Detic, b.Detic))
		}
		return a.Index - b.Index
	})
	out := make([]Merged, len(kept))
	for i := range kept {
		out[i] = kept[i].Merged
	}
	return out
}

// pixels is an object's rectangle as a box; IoU does not mind the unit.
func pixels(o Object) region.Box { return region.Box(o.Rect) }

func nonzero(std float64) float64 {
	if std == 0 {
		return 1
	}
	return std
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// unifyClasses numbers the classes of fast, then det: equal names have one number, and a Detic class
// unknown to fast takes that of the first fast class (in order of appearance) with which it shares
// a word, its head word first.
func unifyClasses(fast, det []string) []int {
	ids := make([]int, 0, len(fast)+len(det))
	number := map[string]int{}
	byWord := map[string]int{} // the first fast class that has the word
	for _, class := range fast {
		id, ok := number[class]
		if !ok {
			id = len(number)
			number[class] = id
			for _, w := range classWords(class) {
				if _, ok := byWord[w]; !ok {
					byWord[w] = id
				}
			}
		}
		ids = append(ids, id)
	}
	for _, class := range det {
		id, ok := number[class]
		if !ok {
			id = len(number)
			for _, w := range classWords(class) {
				if shared, ok := byWord[w]; ok {
					id = shared
					break
				}
			}
			// A class that took another's number gets an entry too, so numbers may skip; that is harmless.
			number[class] = id
		}
		ids = append(ids, id)
	}
	return ids
}

// classWords are the words of a class name that carry meaning: those of the name from its last
// (the head noun: "bell_pepper" is a pepper) to its first, then those of the description that LVIS
// adds in parentheses ("mouse_(computer_equipment)").
func classWords(class string) []string {
	name, description := splitDescription(strings.ToLower(class))
	var words []string
	for _, part := range []string{name, description} {
		fields := strings.FieldsFunc(part, func(r rune) bool { return r == ' ' || r == '_' || r == '(' || r == ')' })
		slices.Reverse(fields)
		for _, w := range fields {
			switch w {
			case "a", "an", "the", "of", "in", "on", "for", "with", "and", "or":
			default:
				words = append(words, w)
			}
		}
	}
	return words
}

// splitDescription separates "crab" from "(animal)" in "crab_(animal)".
func splitDescription(class string) (name, description string) {
	if i := strings.IndexByte(class, '('); i >= 0 {
		return strings.TrimRight(class[:i], "_ "), class[i:]
	}
	return class, ""
}
