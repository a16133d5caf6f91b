package eval

import (
	"fmt"
	"slices"
)

// A Relation says which images are right for a caption, and so which captions for an image.
type Relation struct {
	ofCaption [][]int32 // images, ascending
	ofImage   [][]int32 // captions, ascending
}

// Owners is the relation in which caption c is right for image owner[c] alone. Images without a
// caption are wrong answers to every query and no queries themselves.
func Owners(images int, owner []int) (*Relation, error) {
	pairs := make([][2]int, len(owner))
	for c, i := range owner {
		pairs[c] = [2]int{c, i}
	}
	return Pairs(images, len(owner), pairs)
}

// Pairs is the relation of the given (caption, image) pairs. Repeated pairs count once.
func Pairs(images, captions int, pairs [][2]int) (*Relation, error) {
	r := &Relation{make([][]int32, captions), make([][]int32, images)}
	for _, p := range pairs {
		c, i := p[0], p[1]
		if c < 0 || c >= captions {
			return nil, fmt.Errorf("%w: pair (caption %d, image %d): there are %d captions", ErrInput, c, i, captions)
		}
		if i < 0 || i >= images {
			return nil, fmt.Errorf("%w: caption %d belongs to image %d, but there are %d images", ErrInput, c, i, images)
		}
		r.ofCaption[c] = append(r.ofCaption[c], int32(i))
		r.ofImage[i] = append(r.ofImage[i], int32(c))
	}
	for _, side := range [][][]int32{r.ofCaption, r.ofImage} {
		for q := range side {
			slices.Sort(side[q])
			side[q] = slices.Compact(side[q])
		}
	}
	return r, nil
}

// Dims is the number of images and captions.
func (r *Relation) Dims() (images, captions int) { return len(r.ofImage), len(r.ofCaption) }

// Images are those that are right for caption c, ascending. The slice must not be changed.
func (r *Relation) Images(c int) []int32 { return r.ofCaption[c] }

// Captions are those that are right for image i, ascending. The slice must not be changed.
func (r *Relation) Captions(i int) []int32 { return r.ofImage[i] }

// Right tells whether image i is a right answer for caption c.
func (r *Relation) Right(c, i int) bool {
	_, ok := slices.BinarySearch(r.ofCaption[c], int32(i))
	return ok
}

// With is the relation that holds where r does, and where any of more does.
func (r *Relation) With(more ...*Relation) (*Relation, error) {
	n, m := r.Dims()
	var pairs [][2]int
	for _, s := range append([]*Relation{r}, more...) {
		if sn, sm := s.Dims(); sn != n || sm != m {
			return nil, fmt.Errorf("%w: relations of %d×%d and %d×%d images and captions", ErrInput, n, m, sn, sm)
		}
		for c, images := range s.ofCaption {
			for _, i := range images {
				pairs = append(pairs, [2]int{c, int(i)})
			}
		}
	}
	return Pairs(n, m, pairs)
}

// Select is the relation among some images and captions, renumbered in the order given.
func (r *Relation) Select(images, captions []int) (*Relation, error) {
	at := make(map[int32]int, len(images))
	for k, i := range images {
		at[int32(i)] = k
	}
	var pairs [][2]int
	for k, c := range captions {
		for _, i := range r.ofCaption[c] {
			if to, ok := at[i]; ok {
				pairs = append(pairs, [2]int{k, to})
			}
		}
	}
	return Pairs(len(images), len(captions), pairs)
}
