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

// location is where a hit was found, so that Align need not look its id up again.
type location struct {
	snap     uint64 // serial of the snapshot
	seg, row int
}
