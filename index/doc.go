// Package index is a searchable collection of encoded images and captions in one
// file. Matching recalls candidates by their vectors, alignment ranks them by
// what each word finds in each region, and says so.
//
//	b, err := index.NewBuilder("photos.aladin", nil)
//	err = b.Add(index.Item{ID: "dog.jpg", Encoding: enc})
//	err = b.Finish()
//
//	ix, err := index.Open("photos.aladin", nil)
//	hits, err := ix.Search(ctx, query, &index.SearchOptions{K: 10})
//
// Encodings come from a model; this package needs to know nothing of it but
// its fingerprint, and refuses to compare encodings of different models.
//
// # Life of a file
//
// A [Builder] makes a file, a [Writer] adds to it and deletes from it, an [Index]
// searches it. Each commit of a Writer adds a segment and costs what it adds,
// whatever is there already; now and then it also merges a few small segments,
// so that many small commits do not make many segments. Deleted and replaced
// items keep their bytes until Compact rewrites the file without them. Merge makes
// one file of many. Update and Rename change what is stored with an item without encoding it again. The bytes
// are those of package format: a crash at any point leaves the last commit.
//
// A file's lock is an empty file beside it, with .lock added to its name. It stays
// when nobody holds it, and may be removed while there is no Writer or Builder.
//
// # Concurrency
//
// An Index is safe for concurrent use. It sees the commit that was current when it
// was opened, whatever writers do, until Refresh moves it on; calls under way
// finish on the commit that they began with, which stays mapped until then.
// Close waits for them. One Writer or Builder at a time may hold a file, in any
// process; it is not safe for concurrent use itself.
//
// # Results
//
// Everything returned is the caller's: nothing points into the mapped file. The
// same query on the same commit gives the same hits with the same scores, to the
// last bit, on every machine and with any number of threads. Equal scores are
// ordered by id. (In a file with cells, which of several equal scores makes it
// into the last place is decided by their place in the file.)
//
// # What a damaged file can do
//
// A file is checked as it is read: nothing in it is trusted, and what breaks a rule
// gives ErrCorrupt. Open checks the meta slots, the manifest and the lengths of
// all sections; texts have checksums of their own; a flipped bit in a vector
// gives a wrong score and is found by Verify only, because checking gigabytes
// before the first search would defeat the mapping.
//
// Should a file shrink while it is open (a writer never does that), calls return
// ErrCorrupt. Between the check of the size and the read, bytes behind the new
// end within its last page read as zero; pages behind it fault, which is
// caught and gives ErrCorrupt too.
package index
