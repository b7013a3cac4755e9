package zk

import (
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/meta/metatest"
)

func TestConformance(t *testing.T) {
	metatest.Run(t, func(t *testing.T) meta.Store { return newStore(t, testOptions(t)) })
}

func TestFaults(t *testing.T) {
	metatest.RunFaults(t, func(t *testing.T) metatest.Faulty { return newFaulty(t) })
}

func TestRandom(t *testing.T) {
	for seed := range uint64(2) {
		metatest.Random(t, seed, 300, newStore(t, testOptions(t)), func(*metatest.Model) {})
	}
}
