// Package hostile makes what an attacker, or a broken program, would feed this module: files that ask for far
// more memory or time than they are worth. They are generated, so that none lies in the tree. The tests
// hold every reader to its bounds: each input ends soon or with its context, within 256 MiB, with a named
// error or the right answer.
package hostile

// A Case is one hostile input.
type Case struct {
	Name string
	Make func() []byte
}
