package data

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/server/codes"
)

// replicaCode gives the code of an error that refuses a replica. One that is none of the partition's and gave no leader epoch is told
// that this broker does not lead, since it cannot learn of a later epoch.
func replicaCode(t *fetchTarget, err error) int16 {
	if t.leaderEpoch < 0 && codes.Is[*replica.UnknownReplicaError](err) {
		return kerr.NotLeaderForPartition.Code
	}
	return codes.Of(err)
}

// owesHighWatermark reports whether a follower that serves consumers has to be told at once that a target's high watermark has moved: its
// consumers wait for that. Apache Kafka has them wait until the follower's fetch is over, replica.fetch.wait.max.ms at most (KAFKA-9952), until KIP-1166.
// Without a session the leader does not know what it told the follower last.
func (f *fetchContext) owesHighWatermark(i int) bool {
	return f.server.rackAware && f.session != nil && f.fromReplica() && f.results[i].hw > f.toldHW[i]
}

// readAsReplica reads from one partition for a follower (kafka.cluster.Partition.fetchRecords): up to the end of the log as it was
// before. The offset that the follower fetches from tells how far it is, which may move the high watermark and the ISR. That counts
// once for each request, and only after a good read: an offset at which the logs diverge, or that cannot be read, says nothing. It
// returns the code of an error, 0 for none. A follower that is held back (leader.replication.throttled.rate) gets no records and waits, and
// says all the same how far it is.
func (f *fetchContext) readAsReplica(t *fetchTarget, r *fetchResult, p *replica.Partition, left int, atLeastOne bool) int16 {
	b := p.Bounds()
	r.end = b.LogEnd
	if r.diverging == nil {
		upTo := b.LogEnd
		if p.HoldsBack(f.req.ReplicaID) {
			upTo = t.offset
		}
		var err error
		r.region, err = p.Log().Read(t.offset, min(int(t.maxBytes), left), upTo, atLeastOne)
		if err != nil {
			p.ReadFailed(err)
			return codes.Of(err)
		}
		r.partition = p
		if !f.counted {
			err = p.UpdateFollower(replica.FollowerFetch{
				Replica: f.req.ReplicaID, LeaderEpoch: r.epoch, Offset: t.offset, LogStart: t.logStart, LeaderEnd: b.LogEnd, Watch: t.watch,
			}, f.server.replicas.NowMs())
			if err != nil {
				r.region.Release()
				r.region, r.partition = logstore.Region{}, nil
				return replicaCode(t, err)
			}
			b = p.Bounds() // so that the follower learns at once of the high watermark that it has moved
		}
	}
	r.hw, r.lso, r.logStart = b.HighWatermark, b.LastStable, b.LogStart
	return 0
}
