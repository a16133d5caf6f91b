package eval

import (
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"unicode"
)

// Beta weighs recall against precision in ROUGE-L.
const Beta = 1.2

// A Relevance is a captions × images matrix of graded relevance, safe for concurrent use.
type Relevance interface {
	Dims() (images, captions int)
	Caption(c int, dst []float64) // the relevance of every image for caption c
	Image(i int, dst []float64)   // the relevance of every caption for image i
}

// Words is how captions are compared: lower-cased runs of letters, marks and digits, in order;
// everything else separates, except an apostrophe or hyphen within a word ("t-shirt", "don't").
func Words(text string) []string {
	runes := []rune(strings.ToLower(text))
	part := func(k int) bool {
		return k >= 0 && k < len(runes) && (unicode.IsLetter(runes[k]) || unicode.IsMark(runes[k]) || unicode.IsDigit(runes[k]))
	}
	var words []string
	start := -1
	for k, r := range runes {
		inside := part(k) || (r == '\'' || r == '’' || r == '-') && part(k-1) && part(k+1)
		if inside && start < 0 {
			start = k
		}
		if !inside && start >= 0 {
			words = append(words, string(runes[start:k]))
			start = -1
		}
	}
	if start >= 0 {
		words = append(words, string(runes[start:]))
	}
	return words
}

// Rouge is the Relevance by ROUGE-L: of a caption (the candidate) against the captions of an image
// (the references),
//
//	P = max over references of LCS / words of the candidate
//	R = max over references of LCS / words of the reference
//	F = (1+β²)·P·R / (R + β²·P),  β = 1.2
//
// with LCS the length of the longest common subsequence of [Words]; 0 when nothing is shared. P and
// R may come from different references, as in the COCO caption evaluation code. A caption is thus 1
// for its own image. The values are computed as they are asked for.
type Rouge struct {
	words  [][]int32 // of every caption, numbered
	of     [][]int32 // captions of every image
	owner  []int
	size   int // vocabulary
	tables sync.Pool
}

// NewRouge reads the captions; owner[c] is the image of caption c.
func NewRouge(captions []string, owner []int, images int) (*Rouge, error) {
	if len(owner) != len(captions) {
		return nil, fmt.Errorf("%w: %d captions, %d owners", ErrInput, len(captions), len(owner))
	}
	r := &Rouge{words: make([][]int32, len(captions)), of: make([][]int32, images), owner: owner}
	number := map[string]int32{}
	for c, text := range captions {
		if owner[c] < 0 || owner[c] >= images {
			return nil, fmt.Errorf("%w: caption %d belongs to image %d of %d", ErrInput, c, owner[c], images)
		}
		r.of[owner[c]] = append(r.of[owner[c]], int32(c))
		for _, w := range Words(text) {
			id, ok := number[w]
			if !ok {
				id = int32(len(number))
				number[w] = id
			}
			r.words[c] = append(r.words[c], id)
		}
	}
	r.size = len(number)
	r.tables.New = func() any {
		t := make([]uint64, r.size)
		return &t
	}
	return r, nil
}

// Dims implements Relevance.
func (r *Rouge) Dims() (images, captions int) { return len(r.of), len(r.words) }

// Caption implements Relevance.
func (r *Rouge) Caption(c int, dst []float64) {
	p := r.pattern(c)
	defer p.close()
	mine := float64(len(r.words[c]))
	for i, refs := range r.of {
		var precision, recall float64
		for _, ref := range refs {
			l := float64(p.lcs(r.words[ref]))
			if l == 0 {
				continue
			}
			precision = max(precision, l/mine)
			recall = max(recall, l/float64(len(r.words[ref])))
		}
		dst[i] = fMeasure(precision, recall)
	}
}

// Image implements Relevance.
func (r *Rouge) Image(i int, dst []float64) {
	precision, recall := make([]float64, len(dst)), make([]float64, len(dst))
	for _, ref := range r.of[i] {
		p := r.pattern(int(ref))
		theirs := float64(len(r.words[ref]))
		for c, words := range r.words {
			l := float64(p.lcs(words))
			if l == 0 {
				continue
			}
			precision[c] = max(precision[c], l/float64(len(words)))
			recall[c] = max(recall[c], l/theirs)
		}
		p.close()
	}
	for c := range dst {
		dst[c] = fMeasure(precision[c], recall[c])
	}
}

func fMeasure(p, r float64) float64 {
	if p == 0 || r == 0 {
		return 0
	}
	return (1 + Beta*Beta) * p * r / (r + Beta*Beta*p)
}

// pattern is one caption prepared for its LCS with many. Up to 64 words, a table holds for every
// word of the vocabulary the bits of its places, and the LCS with a text takes a few operations a
// word of it (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004).
type pattern struct {
	of    *Rouge
	words []int32
	table *[]uint64 // nil: too long
	row   []int     // of the quadratic way
}

func (r *Rouge) pattern(c int) *pattern {
	p := &pattern{of: r, words: r.words[c]}
	if len(p.words) > 64 {
		p.row = make([]int, len(p.words)+1)
		return p
	}
	p.table = r.tables.Get().(*[]uint64)
	for k, w := range p.words {
		(*p.table)[w] |= 1 << k
	}
	return p
}

func (p *pattern) close() {
	if p.table == nil {
		return
	}
	for _, w := range p.words {
		(*p.table)[w] = 0
	}
	p.of.tables.Put(p.table)
}

func (p *pattern) lcs(text []int32) int {
	if p.table == nil {
		return p.quadratic(text)
	}
	s := ^uint64(0)
	for _, w := range text {
		u := s & (*p.table)[w]
		s = (s + u) | (s - u)
	}
	mask := ^uint64(0) >> (64 - len(p.words)) // a shift by 64 gives 0
	return bits.OnesCount64(^s & mask)
}

func (p *pattern) quadratic(text []int32) int {
	clear(p.row)
	for _, w := range text {
		diagonal := 0
		for k, v := range p.words {
			up := p.row[k+1]
			if v == w {
				p.row[k+1] = diagonal + 1
			} else {
				p.row[k+1] = max(up, p.row[k])
			}
			diagonal = up
		}
	}
	return p.row[len(p.words)]
}
