//go:build race

package sim

// fewSeeds is how many seeds a suite of tests takes. The race detector makes each some ten times as slow.
const fewSeeds = 20
