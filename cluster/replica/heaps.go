package replica

// delayedProduces is a heap (container/heap) of appends that wait for the high watermark, the lowest offset first.
type delayedProduces []*delayedProduce

func (h delayedProduces) Len() int           { return len(h) }
func (h delayedProduces) Less(i, j int) bool { return h[i].offset < h[j].offset }
func (h delayedProduces) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *delayedProduces) Push(d any) { *h = append(*h, d.(*delayedProduce)) }

// Pop implements heap.Interface.
func (h *delayedProduces) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	return d
}

// watches is a heap of delayed fetches, the one whose bytes are due next first. Each element knows its index.
type watches []*watch

func (h watches) Len() int           { return len(h) }
func (h watches) Less(i, j int) bool { return h[i].due < h[j].due }
func (h watches) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *watches) Push(w any) {
	w.(*watch).place = len(*h)
	*h = append(*h, w.(*watch))
}

// Pop implements heap.Interface.
func (h *watches) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	w.place = -1
	(*h)[last], *h = nil, (*h)[:last]
	return w
}
