//go:build race

package hostile

// race says that memory cannot be measured: the race detector takes several times as much.
const race = true
