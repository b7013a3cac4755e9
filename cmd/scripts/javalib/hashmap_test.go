package javalib

import (
	"fmt"
	"strings"
	"testing"
)

// OpenJDK 17 printed the orders: a HashMap with the keys k0 to k19, put in turn; new HashMap(2) with two keys and then three of
// one hash; a HashSet of the list 100, 17, 1, 33, 5.
func TestHashMapOrder(t *testing.T) {
	m := NewHashMap[string, int](StringHash)
	for i := range 20 {
		m.Put(fmt.Sprint("k", i), i)
	}
	if got, want := strings.Join(m.Keys(), " "), "k0 k1 k2 k3 k4 k5 k11 k6 k10 k7 k13 k8 k12 k9 k15 k14 k17 k16 k19 k18"; got != want {
		t.Errorf("twenty keys came as %s, want %s", got, want)
	}
	small := NewHashMapFor[string, int](StringHash, 2)
	for i, k := range []string{"b", "a", "AaAa", "BBBB", "AaBB"} {
		small.Put(k, i)
	}
	if got, want := strings.Join(small.Keys(), " "), "a b AaAa BBBB AaBB"; got != want {
		t.Errorf("keys of one hash came as %s, want %s", got, want)
	}
	if got, want := Join(SetOf(IntHash, []int32{100, 17, 1, 33, 5}).Keys(), " "), "17 1 33 100 5"; got != want {
		t.Errorf("a set of numbers came as %s, want %s", got, want)
	}
}

// OpenJDK 17 printed these too.
func TestDouble(t *testing.T) {
	for f, want := range map[float64]string{1024: "1024.0", 1e7: "1.0E7", 9999999: "9999999.0", 0.001: "0.001", 0.0001: "1.0E-4", 1.5: "1.5", 123456789.25: "1.2345678925E8", 1e21: "1.0E21"} {
		if got := Double(f); got != want {
			t.Errorf("%v is %s, want %s", f, got, want)
		}
	}
}
