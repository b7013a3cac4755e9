package replica

// startSyncLocked has the log flushed in the background, unless that is under way.
func (p *Partition) startSyncLocked(s *State) {
	if !p.syncing {
		p.syncing = true
		go p.sync(s.since)
	}
}

// sync flushes the log until no record needs a flush, and moves the high
// watermark after each flush. Appends that came during a flush share the next one. It ends with the leadership that
// began in the leader epoch since.
func (p *Partition) sync(since int32) {
	for again := true; again; {
		p.mu.Lock()
		if p.state.Load().since != since {
			p.mu.Unlock()
			return
		}
		upTo := p.end
		p.syncDue = false
		p.mu.Unlock()
		err := p.log.Flush(upTo)
		p.store.ReportFailure(p.tp, err)
		again = p.synced(since, upTo, err)
	}
}

// synced takes in that the log was flushed up to an offset, or that its flush failed, and says whether another one is needed. A flush that
// fails fails all appends that wait.
func (p *Partition) synced(since int32, upTo int64, err error) (again bool) {
	var c completions
	p.mu.Lock()
	if p.state.Load().since != since {
		p.mu.Unlock()
		return false
	}
	switch {
	case err != nil:
		p.failProducesLocked(&c, err)
	case !p.syncDue:
		upTo = p.end // the records that were appended during the flush need none of their own
	}
	p.syncing = p.syncDue && err == nil
	again = p.syncing
	if err == nil {
		p.own.Store(max(p.own.Load(), upTo))
		p.advanceLocked(&c)
	}
	p.mu.Unlock()
	c.run()
	return again
}
