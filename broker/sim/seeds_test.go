//go:build !race

package sim

// fewSeeds is how many seeds a suite of tests takes.
const fewSeeds = 300
