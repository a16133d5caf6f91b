package progress

// Tell calls a progress callback, which may be nil.
func Tell(progress func(done, total int), done, total int) {
	if progress != nil {
		progress(done, total)
	}
}
