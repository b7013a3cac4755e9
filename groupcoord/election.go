package groupcoord

// Elected says that this broker leads a partition of __consumer_offsets from now on. Its records are read on a goroutine. Until
// that is done, requests for its groups are answered with ErrLoading.
func (c *Coordinator) Elected(partition, epoch int32, log Log) {
	s := c.newShard(partition, epoch, log)
	c.mu.Lock()
	if c.shards == nil {
		c.mu.Unlock()
		return
	}
	old := c.shards[partition]
	c.shards[partition] = s
	c.mu.Unlock()
	if old != nil {
		old.end(ErrNotCoordinator)
	}
	go s.load()
}

// Resigned says that this broker does not lead a partition any more. Requests that wait are answered with ErrNotCoordinator, so
// that their clients look for the new leader.
func (c *Coordinator) Resigned(partition int32) {
	c.mu.Lock()
	s := c.shards[partition]
	delete(c.shards, partition)
	c.mu.Unlock()
	if s != nil {
		s.end(ErrNotCoordinator)
		go c.place() // the other partitions do not wait for this one any more
	}
}

// Serve begins to serve groups. The broker calls it once Config.Partitions is right, and Elected was called for all partitions that it leads
// after its start: the records of a group may be in any of them.
func (c *Coordinator) Serve() {
	c.mu.Lock()
	c.serving = true
	c.mu.Unlock()
	c.place()
}

// Close answers all requests that wait with ErrNotAvailable, and refuses later ones with that. It waits for what is being written in
// the background.
func (c *Coordinator) Close() {
	c.mu.Lock()
	again := c.closing
	c.closing = true
	c.mu.Unlock()
	if again {
		return
	}
	close(c.quit)
	c.background.Wait()
	c.mu.Lock()
	shards := c.shards
	c.shards = nil
	c.mu.Unlock()
	for _, s := range shards {
		s.end(ErrNotAvailable)
	}
}

// end forgets the groups, and answers their requests that wait with err.
func (s *shard) end(err error) {
	s.mu.Lock()
	s.state.Store(gone)
	s.mu.Unlock()
	close(s.quit)
	for _, e := range s.all() {
		s.run(e, func(out *effects) { e.unload(err, out) })
	}
}
