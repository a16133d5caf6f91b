//go:build race

package vector

// raceEnabled is for tests that the race detector makes slow or wrong: it empties
// pools at random.
const raceEnabled = true
