package train

// A Batch is B pairs of an image and one of its captions, padded to the longest of each kind. Row-major.
type Batch struct {
	B, T, L, R int // pairs, caption tokens, label tokens, regions

	CapIDs, CapMask                 []int64   // [B, T]
	LabelIDs, LabelTypes, LabelMask []int64   // [B, L]
	Regions                         []float32 // [B, R, F]
	RegionMask                      []int64   // [B, R]
	Images, Captions                []int     // which example each row is
}

// Examples is the number of pairs.
func (b *Batch) Examples() int { return b.B }
