package admin

// byTopic is the list of topics of an answer that names each topic once, however often the request names it.
type byTopic[T any] struct {
	list   *[]T
	places map[string]int
	empty  func(topic string) T
}

// newByTopic makes the list's topics by empty.
func newByTopic[T any](list *[]T, empty func(topic string) T) *byTopic[T] {
	return &byTopic[T]{list: list, places: make(map[string]int), empty: empty}
}

// of gives a topic's entry, good until the next call, and adds it if there is none.
func (b *byTopic[T]) of(topic string) *T {
	at, known := b.places[topic]
	if !known {
		at = len(*b.list)
		b.places[topic] = at
		*b.list = append(*b.list, b.empty(topic))
	}
	return &(*b.list)[at]
}
