package vector

// Kernels names the sets of kernels that this CPU runs.
func Kernels() []string {
	var names []string
	for _, k := range available() {
		names = append(names, k.name)
	}
	return names
}

// UseKernel makes a set of kernels current and returns a function that undoes it.
// Not for parallel tests.
func UseKernel(name string) (undo func()) {
	old := kernel
	for _, k := range available() {
		if k.name == name {
			kernel = k
		}
	}
	return func() { kernel = old }
}

// Score returns the score of row i, the same that Scan finds.
func Score(rows *Rows, q *Query, i int) float32 {
	q.fits(rows)
	s := scanPool.Get().(*scanScratch)
	defer scanPool.Put(s)
	s.score(rows, q, i, 1, 0)
	return s.scores[0]
}
