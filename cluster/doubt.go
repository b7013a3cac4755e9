package cluster

import "sync"

// doubt is whether other brokers may lead what this one led, and it has not been told: its session may have ended, or has ended, and no controller has
// given it orders since. It serves on meanwhile, as Apache's brokers do: where ZooKeeper is away for all, nobody replaces anybody.
type doubt struct {
	mu sync.Mutex
	// Guarded by mu: what prevents cut, nil while the tree is reached; and whether it has not been reached for so long that the session may have ended.
	pending func() bool
	cut     bool
	// Guarded by mu: whether a session has ended, and no order has come since for a registration later than epoch, which belonged to it.
	untold bool
	epoch  int64
}

// MayBeDeposed says whether this broker may have lost its leaderships without having been told.
func (b *Broker) MayBeDeposed() bool {
	b.doubt.mu.Lock()
	defer b.doubt.mu.Unlock()
	return b.doubt.cut || b.doubt.untold
}

// disconnected begins to wait for the time when the session may have ended. A connection on which nothing comes is found out after two thirds of the session's
// timeout, so that a third is left of it.
func (d *doubt) disconnected(b *Broker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending != nil {
		return
	}
	d.pending = b.o.After(b.o.SessionTimeout/3, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.cut = d.pending != nil
	})
}

// reached takes in that the tree is reached, in the same session or in another one.
func (d *doubt) reached() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending != nil {
		d.pending()
	}
	d.pending, d.cut = nil, false
}

// ended takes in that the session has ended to which a registration belonged.
func (d *doubt) ended(epoch int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.untold, d.epoch = true, epoch
}

// ordered takes in that a controller has told a registration of the broker what it leads, -1 for whichever.
func (d *doubt) ordered(epoch int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if epoch < 0 || epoch > d.epoch {
		d.untold = false
	}
}
