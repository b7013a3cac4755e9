// Package verify compares the replicas of a cluster's partitions over the wire, Apache Kafka's 3.9 and klamm's alike: each replica is read from its own
// broker, batch by batch, and held against the leader's.
//
// It reads as a consumer reads from a follower (KIP-392): Fetch of version 11 and later is served by a broker that only follows, up to the high watermark
// that it knows. Where logs begin and end is asked with the replica id of a debugging consumer, -2, which any replica answers. It never gives a broker's
// id as its own, which would move the ISR, and never writes.
//
// Memory is bounded whatever the size of a log: of each replica of the partitions that are being compared one answer is held, which is
// chunkBytes or one batch, and for a compacted topic the records of one batch of each and maxPending keys.
//
// Begin reading at [Verify], then compare.go, which holds two replicas against each other, and compacted.go, which does so where replicas may
// have been compacted to different points.
package verify
