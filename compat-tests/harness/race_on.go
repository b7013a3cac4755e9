//go:build race

package harness

// raceEnabled says whether this test binary was built with the race detector.
const raceEnabled = true
