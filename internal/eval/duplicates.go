package eval

import (
	"fmt"
	"slices"
	"strings"
)

// Duplicates are the queries that have more right answers than their owner says, because the same
// picture or the same sentence occurs twice. Strict figures count such an answer as wrong; Rank with
// the Relation here counts it as right. Both are worth knowing.
type Duplicates struct {
	Images   int // pictures that another picture equals
	Captions int // sentences that a caption of another picture repeats
	Siblings int // sentences that a caption of the same picture repeats
	// Relation extends the owners': a caption is also right for every picture equal to its own and for
	// every picture with the same sentence.
	Relation *Relation
}

// FindDuplicates compares captions by their words (see Words; captions without any word are
// like no other) and images by key, a digest of file or vector that equal pictures share. nil texts or keys find
// nothing of their kind.
func FindDuplicates(texts []string, owner []int, keys []string, images int) (*Duplicates, error) {
	d := &Duplicates{}
	same := make([][]int, images) // the pictures equal to each, itself included
	if texts != nil && len(texts) != len(owner) || keys != nil && len(keys) != images {
		return nil, fmt.Errorf("%w: %d texts for %d captions, %d keys for %d images", ErrInput, len(texts), len(owner), len(keys), images)
	}
	byKey := map[string][]int{}
	for i := range images {
		same[i] = []int{i}
		if keys != nil {
			byKey[keys[i]] = append(byKey[keys[i]], i)
		}
	}
	for _, class := range byKey {
		if len(class) > 1 {
			d.Images += len(class)
			for _, i := range class {
				same[i] = class
			}
		}
	}
	byText := map[string][]int{}
	text := make([]string, len(owner))
	for c, t := range texts {
		if text[c] = strings.Join(Words(t), " "); text[c] != "" {
			byText[text[c]] = append(byText[text[c]], c)
		}
	}
	d.Relation = &Relation{make([][]int32, len(owner)), make([][]int32, images)}
	answers := map[string][]int32{} // of a sentence, shared by all that say it
	for c, i := range owner {
		if i < 0 || i >= images {
			return nil, fmt.Errorf("%w: caption %d belongs to image %d, but there are %d images", ErrInput, c, i, images)
		}
		alike := []int{c}
		if texts != nil && text[c] != "" {
			alike = byText[text[c]]
		}
		elsewhere, here := false, false
		for _, other := range alike {
			elsewhere = elsewhere || owner[other] != i
			here = here || other != c && owner[other] == i
		}
		if elsewhere {
			d.Captions++
		}
		if here {
			d.Siblings++
		}
		right, ok := answers[text[c]]
		if !ok || text[c] == "" {
			right = nil
			for _, other := range alike {
				for _, image := range same[owner[other]] {
					right = append(right, int32(image))
				}
			}
			slices.Sort(right)
			right = slices.Compact(right)
			answers[text[c]] = right
		}
		d.Relation.ofCaption[c] = right
		for _, image := range right {
			d.Relation.ofImage[image] = append(d.Relation.ofImage[image], int32(c))
		}
	}
	return d, nil
}
