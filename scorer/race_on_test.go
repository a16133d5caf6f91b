//go:build race

package scorer

// raceEnabled is for tests that the race detector makes slow or wrong: it empties
// pools at random.
const raceEnabled = true
