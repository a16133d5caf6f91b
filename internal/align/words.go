package align

// Word is a word of a text and the half-open range of its bytes there.
type Word struct {
	Text       string
	Start, End int
}

// Names say what the tokens of a result are.
type Names struct {
	// Word returns the word that token i belongs to. One without text is no word: it stands for the caption
	// as a whole. Nil: tokens belong to no words; Label, if not nil, says what is known of them.
	Word  func(i int) Word
	Label func(i int) string

	// Region returns the box and the label of a region.
	Region func(i int) (box [4]float32, label string, err error)
}

// NewNames names the tokens of two encodings: the words, or else the labels, of the one and the boxes and labels of
// the other's regions. Each has one entry a token, or is nil.
func NewNames[W ~struct {
	Text       string
	Start, End int
}](words []W, wordLabels []string, boxes [][4]float32, labels []string) Names {
	var n Names
	if words != nil {
		n.Word = func(i int) Word { return Word(words[i]) }
	}
	if wordLabels != nil {
		n.Label = func(i int) string { return wordLabels[i] }
	}
	n.Region = func(i int) (box [4]float32, label string, err error) {
		if boxes != nil {
			box = boxes[i]
		}
		if labels != nil {
			label = labels[i]
		}
		return box, label, nil
	}
	return n
}

// A Match is a word and the region that it matches best.
type Match struct {
	Word       string
	Start, End int
	Token      int // of several pieces, the first
	Region     int // −1: none
	Box        [4]float32
	Label      string
	Similarity float32
	Weight     float32
}

// Words names what each word found, leaving out words of weight 0. A word that was cut into several pieces has
// the sum of their weights, the weighted mean of their similarities, and the region of the piece that adds most.
func (r *Result) Words(names Names) ([]Match, error) {
	var out []Match
	for i, b := range r.Best {
		m := Match{Token: i, Region: b.Region, Similarity: b.Similarity, Weight: r.weight(i)}
		if m.Weight == 0 {
			continue
		}
		switch {
		case names.Word != nil:
			w := names.Word(i)
			if w.Text == "" {
				continue
			}
			m.Word, m.Start, m.End = w.Text, w.Start, w.End
		case names.Label != nil:
			m.Word = names.Label(i)
		}
		if b.Region >= 0 {
			var err error
			if m.Box, m.Label, err = names.Region(b.Region); err != nil {
				return nil, err
			}
		}
		if n := len(out); names.Word == nil || n == 0 || !out[n-1].join(m) {
			out = append(out, m)
		}
	}
	return out, nil
}

// join adds a piece to its word, unless it belongs to another one.
func (m *Match) join(piece Match) bool {
	sum := m.Weight + piece.Weight
	if m.Start != piece.Start || m.End != piece.End || m.Word != piece.Word || sum == 0 {
		return false
	}
	before, gain := m.Weight*m.Similarity, piece.Weight*piece.Similarity
	if piece.Region >= 0 && (m.Region < 0 || gain > before) {
		m.Region, m.Box, m.Label = piece.Region, piece.Box, piece.Label
	}
	m.Similarity, m.Weight = (gain+before)/sum, sum
	return true
}
