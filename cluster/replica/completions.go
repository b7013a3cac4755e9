package replica

// completions are those who wait no longer after a change of a partition. They are collected under Partition.mu, and told without it: what
// they do then may take other locks, those of the same partition too. The zero value has none. Produces and fetches are lists linked by
// next, so that to collect them allocates nothing: each of them is completed once.
type completions struct {
	// by is the watch of the follower whose fetch makes the change: the answer to that fetch tells of it. Nil for another change.
	by *FollowerWatch

	produces, lastProduce *delayedProduce
	fire                  *DelayedFetch
	tight                 []*DelayedFetch
	deletions             []*delayedDeletion
}

// produce adds an append, whose done is called with err.
func (c *completions) produce(d *delayedProduce, err error) {
	d.err = err
	if c.produces == nil {
		c.produces = d
	} else {
		c.lastProduce.next = d
	}
	c.lastProduce = d
}

// fetch adds a fetch, whose fire is called.
func (c *completions) fetch(f *DelayedFetch) { f.next, c.fire = c.fire, f }

// run tells all. The caller holds no lock of a partition but changing.
func (c *completions) run() {
	for d := c.produces; d != nil; {
		next := d.next
		d.done(d.err)
		d = next
	}
	for _, d := range c.deletions {
		close(d.done)
	}
	for _, f := range c.tight {
		if f.tighten() {
			c.fetch(f)
		}
	}
	// The caller's goroutine serves the last fetch: mostly it is the only one, and no other thread has to be woken for it.
	for f := c.fire; f != nil; {
		next := f.next
		if next != nil {
			go f.fire()
		} else {
			f.fire()
		}
		f = next
	}
}
