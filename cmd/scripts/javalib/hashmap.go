package javalib

import "iter"

// HashMap is a map that is walked in the order of java.util.HashMap: bucket by bucket, and inside a bucket in the
// order in which the keys came. (A JVM turns a bucket of eight and more into a tree and may put one key of it first;
// that is left out.)
type HashMap[K comparable, V any] struct {
	hash    func(K) int32
	buckets [][]K
	values  map[K]V
}

// defaultCapacity is how many buckets a HashMap has that was made without a number.
const defaultCapacity = 16

// NewHashMap makes a map as new HashMap() does.
func NewHashMap[K comparable, V any](hash func(K) int32) *HashMap[K, V] {
	return NewHashMapFor[K, V](hash, defaultCapacity)
}

// NewHashMapFor makes a map as new HashMap(capacity) does.
func NewHashMapFor[K comparable, V any](hash func(K) int32, capacity int) *HashMap[K, V] {
	size := 1
	for size < capacity {
		size *= 2
	}
	return &HashMap[K, V]{hash, make([][]K, size), map[K]V{}}
}

// NewHashMapOf makes an empty map with as many buckets as new HashMap(other) has for another of so many keys.
func NewHashMapOf[K comparable, V any](hash func(K) int32, keys int) *HashMap[K, V] {
	return NewHashMapFor[K, V](hash, int(float32(keys)/0.75+1))
}

// SetOf makes the keys of new HashSet(collection).
func SetOf[K comparable](hash func(K) int32, keys []K) *HashMap[K, struct{}] {
	s := NewHashMapFor[K, struct{}](hash, max(int(float32(len(keys))/0.75)+1, defaultCapacity))
	for _, k := range keys {
		s.Put(k, struct{}{})
	}
	return s
}

// CollectSet makes the keys of a stream that Collectors.toSet() collects.
func CollectSet[K comparable](hash func(K) int32, keys []K) *HashMap[K, struct{}] {
	s := NewHashMap[K, struct{}](hash)
	for _, k := range keys {
		s.Put(k, struct{}{})
	}
	return s
}

// Put adds a key or gives it another value.
func (m *HashMap[K, V]) Put(k K, v V) {
	_, had := m.values[k]
	m.values[k] = v
	if had {
		return
	}
	m.add(k)
	if len(m.values) > len(m.buckets)*3/4 {
		old := m.buckets
		m.buckets = make([][]K, 2*len(old))
		for _, bucket := range old {
			for _, k := range bucket {
				m.add(k)
			}
		}
	}
}

func (m *HashMap[K, V]) add(k K) {
	h := uint32(m.hash(k))
	at := (h ^ h>>16) & uint32(len(m.buckets)-1)
	m.buckets[at] = append(m.buckets[at], k)
}

// Get gives the value of a key, or V's zero value.
func (m *HashMap[K, V]) Get(k K) V { return m.values[k] }

// Has says whether a key is there.
func (m *HashMap[K, V]) Has(k K) bool { _, ok := m.values[k]; return ok }

// Len is the number of keys.
func (m *HashMap[K, V]) Len() int { return len(m.values) }

// All walks over keys and values.
func (m *HashMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, bucket := range m.buckets {
			for _, k := range bucket {
				if !yield(k, m.values[k]) {
					return
				}
			}
		}
	}
}

// Keys gives the keys in the map's order.
func (m *HashMap[K, V]) Keys() []K {
	keys := make([]K, 0, len(m.values))
	for k := range m.All() {
		keys = append(keys, k)
	}
	return keys
}
