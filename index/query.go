package index

// Query says how to match.
type Query struct {
	// K is how many hits are wanted, 10 when 0. That many are found whenever so
	// many items pass the filters.
	K int

	// Filters apply before the scan; an item must pass all that are set.
	Tags    *Filter  // by tags; nil passes all
	IDs     []string // only these; nil passes all. Unknown ids are ignored
	Exclude []string // all but these
	Kinds   []Kind   // only these kinds; nil passes all

	// Exact scans everything, even when the index has cells. Probe is the
	// number of cells to look into; 0 chooses by size.
	Exact bool
	Probe int
}

const defaultK = 10

// Hit is an item found.
type Hit struct {
	ID   string
	Kind Kind

	// Match is the inner product of the matching vectors.
	Match float32

	// Align is the alignment score, 0 until Align was called.
	Align float32

	// Coverage says how well the words are covered by regions: the mean
	// similarity of the query's words, negative ones counted as 0, each by its
	// weight. It is set by Align.
	Coverage float32

	// Words says where the alignment score comes from. It is set by Explain.
	Words []WordMatch

	at location
}

// WordMatch is a word and the region it matches best.
type WordMatch struct {
	Word       string
	Start, End int // bytes of the word in its text

	// Region is the number of the region among its image's tokens, or -1 when the
	// image has none that takes part. Box and Label are what is known of it.
	Region int
	Box    Box
	Label  string

	// Similarity is the inner product of word and region, Weight what the word counts. The
	// alignment score is the sum of Weight·Similarity. A word of several pieces
	// has the sum of their weights, the weighted mean of their similarities,
	// and the region of the piece that adds most.
	Similarity float32
	Weight     float32
}

// location is where a hit was found, so that Align need not look its id up again.
type location struct {
	snap     uint64 // serial of the snapshot
	seg, row int
}
