package index

// Relevance says where a list of hits stops being about the query. A search
// always returns K hits, however little they have to do with it; how well their
// regions cover the query's words tells which ones do.
type Relevance struct {
	// Min is the least Coverage of a hit, a mean similarity: what is a good value
	// depends on the model.
	Min float32

	// Share is the least Coverage relative to the best hit's, 0…1: it adapts to
	// how hard the query is.
	Share float32
}

// Cut returns the hits, in their order, that are relevant. They must come from
// Align or Explain.
func (r Relevance) Cut(hits []Hit) []Hit {
	var best float32
	for i := range hits {
		best = max(best, hits[i].Coverage)
	}
	least := max(r.Min, r.Share*best)
	out := make([]Hit, 0, len(hits))
	for _, h := range hits {
		if h.Coverage >= least {
			out = append(out, h)
		}
	}
	return out
}
