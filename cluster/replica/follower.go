package replica

import "klamm/observe"

// TruncateAsFollower removes the records from an offset on, in the role with leaderEpoch. The high watermark goes back with the end of the
// log. The error is a *StaleRoleError when the role is another by now, or one of the disk.
func (p *Partition) TruncateAsFollower(offset int64, leaderEpoch int32) error {
	return p.truncate(leaderEpoch, func() error { return p.log.TruncateTo(offset, p.manager.wallMs()) })
}

// TruncateFullyAndStartAt removes all records, in the role with leaderEpoch: the log starts and ends at an offset, and the high watermark is
// there too. The errors are those of TruncateAsFollower.
func (p *Partition) TruncateFullyAndStartAt(offset int64, leaderEpoch int32) error {
	return p.truncate(leaderEpoch, func() error { return p.log.TruncateFullyAndStartAt(offset, p.manager.wallMs()) })
}

func (p *Partition) truncate(leaderEpoch int32, truncate func() error) error {
	var c completions
	p.fence.RLock()
	err := p.followsIn(leaderEpoch)
	if err != nil {
		p.fence.RUnlock()
		return err
	}
	p.following.Lock()
	err = truncate()
	p.mu.Lock()
	p.hw.Store(p.log.HighWatermark()) // the log has lowered it with its end (KAFKA-9491)
	p.restartLocked(p.log.EndOffset())
	p.committed.wakeLocked(&c)
	p.mu.Unlock()
	p.following.Unlock()
	p.fence.RUnlock()
	c.run()
	if err != nil {
		p.store.ReportFailure(p.tp, err)
	}
	return err
}

// followsIn says whether this broker follows the partition in a leader epoch. The caller holds fence, shared.
func (p *Partition) followsIn(epoch int32) error {
	if s := p.state.Load(); s.Role != Follower || s.LeaderEpoch != epoch {
		return &StaleRoleError{Partition: p.tp, Requested: epoch, Current: s.LeaderEpoch, Role: s.Role}
	}
	return nil
}

// AppendAsFollower stores records as the leader has them: whole batches, whose offsets and leader epochs stay. They were fetched from
// fetchOffset in the role with leaderEpoch; there may be none. Then it takes over the leader's high watermark and log start offset
// as far as the log reaches, and gives the log end offset.
//
// The error is a *StaleRoleError when the role is another by now, a *FollowerOffsetError when fetchOffset is not the end of the log, or one of
// logstore.Log.AppendAsFollower. What was stored before an error stays.
func (p *Partition) AppendAsFollower(records []byte, fetchOffset, leaderHW, leaderLogStart int64, leaderEpoch int32) (end int64, err error) {
	var c completions
	p.fence.RLock()
	if err = p.followsIn(leaderEpoch); err == nil {
		end, err = p.followLocked(&c, records, fetchOffset, leaderHW, leaderLogStart, leaderEpoch)
	}
	p.fence.RUnlock()
	c.run()
	if err == nil && len(records) > 0 && p.log.FlushWanted() {
		err = p.log.Flush(end) // the next fetch tells the leader that the records are stored
	}
	if err != nil {
		p.store.ReportFailure(p.tp, err)
	}
	return end, err
}

// followLocked is AppendAsFollower under fence, shared.
func (p *Partition) followLocked(c *completions, records []byte, fetchOffset, leaderHW, leaderLogStart int64, leaderEpoch int32) (end int64, err error) {
	p.following.Lock()
	defer p.following.Unlock()
	p.leaderHW.Store(leaderHW)
	if end = p.log.EndOffset(); end != fetchOffset {
		return end, &FollowerOffsetError{Partition: p.tp, Fetched: fetchOffset, End: end}
	}
	var size int
	if len(records) > 0 {
		size, err = p.log.AppendAsFollower(records, leaderEpoch, p.manager.wallMs())
	}
	end = p.followedTo(c, leaderHW, int64(size))
	if err != nil {
		return end, err
	}
	// The log start offset does not pass the high watermark: records are not deleted before they are known to be committed.
	if start := min(leaderLogStart, p.hw.Load()); start > p.log.StartOffset() {
		_, err = p.log.DeleteRecordsBefore(start)
	}
	return end, err
}

// followedTo takes in that a follower's log has grown by size bytes, and the leader's high watermark. The high watermark does not go
// back: a new leader may not know yet that the records below it are committed. It may move past some of the new bytes, where this follower is
// not in the ISR, so that these are counted before it moves.
func (p *Partition) followedTo(c *completions, leaderHW, size int64) (end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end = p.log.EndOffset()
	p.end = end
	if size > 0 {
		p.writtenLocked(c, end, size)
		p.manager.o.Observer.Add(observe.ReplicationBytesIn, size)
		if p.state.Load().Reassigning() {
			p.manager.o.Observer.Add(observe.ReassignmentBytesIn, size)
		}
	}
	if hw := min(leaderHW, end); hw > p.hw.Load() {
		p.hw.Store(hw)
		p.log.SetHighWatermark(hw)
	}
	p.readableLocked(c, p.hw.Load())
	return end
}
