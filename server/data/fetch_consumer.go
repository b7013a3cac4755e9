package data

import (
	"klamm/cluster/replica"
	"klamm/protocol/batch"
	"klamm/server/codes"
)

// rackVersion is the first version of Fetch in which a consumer may read from a follower and says in which rack it is (KIP-392).
const rackVersion = 11

// refusesRole says why this broker does not serve a partition in one of its states: it serves other brokers, and clients before
// rackVersion, as the leader only (FetchParams.fetchOnlyLeader).
func (f *fetchContext) refusesRole(s *replica.State) error {
	if f.fromReplica() || f.version < rackVersion {
		return s.Leading()
	}
	return s.Replicating()
}

// preferred gives the replica from which a consumer should read a partition that this broker leads, and not from here; -1 for none.
func (f *fetchContext) preferred(t *fetchTarget, p *replica.Partition) int32 {
	if !f.server.rackAware || f.req.Rack == "" || f.fromReplica() {
		return -1
	}
	listener := f.call.Conn.Listener().Name
	return p.PreferredReplica(t.offset, func(id int32) bool {
		b := f.meta.Broker(id)
		if b == nil || b.Rack == nil || *b.Rack != f.req.Rack {
			return false
		}
		_, reachable := b.Endpoint(listener)
		return reachable
	})
}

// readAsConsumer reads from one partition for a consumer: up to the high watermark that this broker knows, or up to the last stable
// offset. An offset past the end of a follower's log is out of range, and the consumer goes back to the leader. It returns the code of an error, 0
// for none.
func (f *fetchContext) readAsConsumer(t *fetchTarget, r *fetchResult, p *replica.Partition, left int, atLeastOne bool) int16 {
	log := p.Log()
	r.hw, r.lso = p.HighWatermark(), p.LastStableOffset()
	if r.diverging != nil {
		r.logStart = log.StartOffset()
		return 0
	}
	upTo := r.hw
	if f.req.Isolation == readCommitted {
		upTo = r.lso
	}
	var err error
	r.region, err = log.Read(t.offset, min(int(t.maxBytes), left), upTo, atLeastOne)
	if err != nil {
		r.hw, r.lso = -1, -1
		p.ReadFailed(err)
		return codes.Of(p.Certain(err))
	}
	r.logStart = log.StartOffset()
	r.partition = p
	if f.version < firstBatchFetch {
		if err := f.convert(t, r, log, upTo); err != nil {
			r.hw, r.lso, r.logStart = -1, -1, -1
			p.ReadFailed(err)
			r.format = codes.Is[*batch.CodecError](err)
			return codes.Of(err)
		}
	}
	return 0
}
