package metrics

import (
	"slices"
	"strconv"

	"klamm/broker"
	"klamm/cluster"
	"klamm/cluster/replica"
	"klamm/protocol"
)

// counted are the numbers of partitions that this broker has replicas of (kafka.server:type=ReplicaManager).
type counted struct {
	leading, all, underReplicated, underMinISR, atMinISR, offline, reassigning int
	fetches, produces                                                          int
	maxLag                                                                     int64
}

func (n *counted) add(p *replica.Partition, st *replica.State) {
	n.all++
	fetches, produces := p.Waiting()
	n.fetches += fetches
	n.produces += produces
	n.maxLag = max(n.maxLag, p.Lag())
	if st.Role == replica.Offline {
		n.offline++
	}
	if st.Role != replica.Leader {
		return
	}
	n.leading++
	if len(st.ISR) < len(st.Replicas) {
		n.underReplicated++
	}
	switch least := p.MinISR(); {
	case len(st.ISR) < least:
		n.underMinISR++
	case len(st.ISR) == least:
		n.atMinISR++
	}
	if st.Reassigning() {
		n.reassigning++
	}
}

// partitions are the partitions that this broker has replicas of: how many, and series of those that it leads.
func (s *scrape) partitions() {
	lags := s.gauge("kafka_server_fetcherlagmetrics_consumerlag", "Records that the log of a follower here lacks, where it lacks any")
	var n counted
	var led []*replica.Partition
	for _, p := range s.Replicas().All() {
		st := p.State()
		n.add(p, st)
		if st.Role == replica.Leader {
			led = append(led, p)
		}
		if lag := p.Lag(); st.Role == replica.Follower && lag > 0 {
			tp := p.TopicPartition()
			lags.addInt(lag,
				labels("clientId", "ReplicaFetcherThread", "topic", tp.Topic, "partition", strconv.Itoa(int(tp.Partition))))
		}
	}
	const manager = "kafka_server_replicamanager_"
	for _, g := range [...]struct {
		name, help string
		n          int
	}{
		{"leadercount", "Partitions led here", n.leading},
		{"partitioncount", "Partitions with a replica here", n.all},
		{"underreplicatedpartitions", "Partitions led here with replicas out of sync", n.underReplicated},
		{"underminisrpartitioncount", "Partitions led here with fewer replicas in sync than min.insync.replicas", n.underMinISR},
		{"atminisrpartitioncount", "Partitions led here with as many replicas in sync as min.insync.replicas", n.atMinISR},
		{"offlinereplicacount", "Replicas here whose log directory failed", n.offline},
		{"reassigningpartitions", "Partitions led here that a reassignment adds replicas to", n.reassigning},
		{"produceridcount", "Idempotent producers that the logs here remember", s.Store().Producers()},
	} {
		s.gauge(manager+g.name, g.help).addInt(int64(g.n))
	}
	s.gauge("kafka_server_replicafetchermanager_maxlag", "Records that the log of a follower here lacks at most").addInt(n.maxLag, labels("clientId", "Replica"))
	for client, prefix := range map[string]string{"Replica": "kafka_server_replicafetchermanager_", "ReplicaAlterLogDirs": "kafka_server_replicaalterlogdirsmanager_"} {
		of := labels("clientId", client)
		s.gauge(prefix+"deadthreadcount", "Fetchers that have ended; klamm's do not").addInt(0, of)
		s.gauge(prefix+"failedpartitionscount", "Partitions that a fetcher gave up; klamm's try again").addInt(0, of)
	}
	s.gauge("kafka_server_replicaalterlogdirsmanager_maxlag", "Records that the copy of a log that moves lacks at most").
		addInt(s.Store().MovesLag(), labels("clientId", "ReplicaAlterLogDirs"))
	s.purgatories(&n)
	shown := min(len(led), s.g.o.Partitions)
	s.gauge("klamm_metrics_partitions_left_out", "Partitions led here that have no series of their own, see klamm.metrics.partitions.max").addInt(int64(len(led) - shown))
	s.eachLed(led[:shown])
}

// purgatories are the requests that wait (kafka.server:type=DelayedOperationPurgatory).
func (s *scrape) purgatories(n *counted) {
	size := s.gauge("kafka_server_delayedoperationpurgatory_purgatorysize", "Requests that wait, once for each partition")
	operations := s.gauge("kafka_server_delayedoperationpurgatory_numdelayedoperations", "Requests that wait")
	for _, p := range [...]struct {
		name string
		n    int
	}{{"Fetch", n.fetches}, {"Produce", n.produces}} {
		size.addInt(int64(p.n), labels("delayedOperation", p.name))
		operations.addInt(int64(p.n), labels("delayedOperation", p.name))
	}
	sessions := s.Server().Data().Sessions()
	const cache = "kafka_server_fetchsessioncache_"
	s.gauge(cache+"numincrementalfetchsessions", "Fetch sessions").addInt(int64(sessions.Sessions))
	s.gauge(cache+"numincrementalfetchpartitionscached", "Partitions in fetch sessions of clients").addInt(int64(sessions.Partitions))
	s.counter(cache+"incrementalfetchsessionevictions_total", "Fetch sessions that made room for others").addInt(sessions.Evictions)
}

// eachLed are the series of partitions that this broker leads: those of Apache Kafka's broker, and those of kafka_exporter, which come from
// the leader so that each partition's are there once in a cluster.
func (s *scrape) eachLed(led []*replica.Partition) {
	all := make([]string, len(led))
	for i, p := range led {
		tp := p.TopicPartition()
		all[i] = labels("partition", strconv.Itoa(int(tp.Partition)), "topic", tp.Topic)
	}
	each := func(name, help string, value func(p *replica.Partition, st *replica.State) float64) {
		family := s.gauge(name, help)
		for i, p := range led {
			family.add(value(p, p.State()), all[i])
		}
	}
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	const partition, log, exported = "kafka_cluster_partition_", "kafka_log_log_", "kafka_topic_partition_"
	under := func(_ *replica.Partition, st *replica.State) float64 { return flag(len(st.ISR) < len(st.Replicas)) }
	replicas := func(_ *replica.Partition, st *replica.State) float64 { return float64(len(st.Replicas)) }
	inSync := func(_ *replica.Partition, st *replica.State) float64 { return float64(len(st.ISR)) }
	start := func(p *replica.Partition, _ *replica.State) float64 { return float64(p.Log().StartOffset()) }
	each(partition+"underreplicated", "Whether replicas are out of sync", under)
	each(partition+"underminisr", "Whether fewer replicas are in sync than min.insync.replicas",
		func(p *replica.Partition, st *replica.State) float64 { return flag(len(st.ISR) < p.MinISR()) })
	each(partition+"atminisr", "Whether as many replicas are in sync as min.insync.replicas",
		func(p *replica.Partition, st *replica.State) float64 { return flag(len(st.ISR) == p.MinISR()) })
	each(partition+"insyncreplicascount", "Replicas in sync", inSync)
	each(partition+"replicascount", "Replicas", replicas)
	each(partition+"laststableoffsetlag", "Committed records that a read_committed consumer cannot read yet",
		func(p *replica.Partition, _ *replica.State) float64 {
			b := p.Bounds()
			return float64(b.HighWatermark - b.LastStable)
		})
	each(log+"size", "Bytes of a log", func(p *replica.Partition, _ *replica.State) float64 { return float64(p.Log().SizeBytes()) })
	each(log+"logendoffset", "Offset of the next record", func(p *replica.Partition, _ *replica.State) float64 { return float64(p.Log().EndOffset()) })
	each(log+"logstartoffset", "Offset of the first record", start)
	each(log+"numlogsegments", "Segments of a log", func(p *replica.Partition, _ *replica.State) float64 { return float64(p.Log().Segments()) })
	each(exported+"current_offset", "Offset of the next record that will be committed",
		func(p *replica.Partition, _ *replica.State) float64 { return float64(p.HighWatermark()) })
	each(exported+"oldest_offset", "Offset of the first record", start)
	each(exported+"leader", "Broker that leads", func(_ *replica.Partition, st *replica.State) float64 { return float64(st.Leader) })
	each(exported+"replicas", "Replicas", replicas)
	each(exported+"in_sync_replica", "Replicas in sync", inSync)
	each(exported+"leader_is_preferred", "Whether the first replica leads",
		func(_ *replica.Partition, st *replica.State) float64 {
			return flag(len(st.Replicas) > 0 && st.Replicas[0] == st.Leader)
		})
	each(exported+"under_replicated_partition", "Whether replicas are out of sync", under)
	topics := s.gauge("kafka_topic_partitions", "Partitions of a topic")
	meta := s.Cluster().Metadata()
	for _, p := range led {
		if tp := p.TopicPartition(); tp.Partition == 0 {
			if t := meta.Topic(tp.Topic); t != nil {
				topics.addInt(int64(t.Partitions.Len()), labels("topic", tp.Topic))
			}
		}
	}
}

// controller are the controller's numbers (kafka.controller:type=KafkaController). They are 0 on brokers that are not the controller.
func (s *scrape) controller() {
	var n struct{ active, brokers, topics, partitions, offline, imbalanced int }
	meta := s.Cluster().Metadata()
	if s.Cluster().IsController() {
		n.active, n.brokers, n.topics = 1, len(meta.Brokers), meta.NumTopics()
		for t := range meta.Topics() {
			for p := range t.Partitions.All() {
				n.partitions++
				if p.Leader < 0 || meta.Broker(p.Leader) == nil {
					n.offline++
				}
				if len(p.Replicas) > 0 && p.Leader != p.Replicas[0] {
					n.imbalanced++
				}
			}
		}
		s.gauge("kafka_brokers", "Brokers of the cluster").addInt(int64(n.brokers))
		s.brokerInfo(meta)
	}
	s.gauge("kafka_server_metadataloader_currentcontrollerid", "The broker that is the controller, -1 while that is not known").addInt(int64(meta.ControllerID))
	for _, g := range [...]struct {
		name, help string
		n          int
	}{
		{"activecontrollercount", "Whether this broker is the controller", n.active},
		{"activebrokercount", "Live brokers", n.brokers},
		{"fencedbrokercount", "Always 0 with ZooKeeper", 0},
		{"globaltopiccount", "Topics", n.topics},
		{"globalpartitioncount", "Partitions", n.partitions},
		{"offlinepartitionscount", "Partitions without a live leader", n.offline},
		{"preferredreplicaimbalancecount", "Partitions that another than the first replica leads", n.imbalanced},
	} {
		s.gauge("kafka_controller_kafkacontroller_"+g.name, g.help).addInt(int64(g.n))
	}
}

// brokerInfo is kafka_exporter's list of brokers.
func (s *scrape) brokerInfo(meta *cluster.Metadata) {
	info := s.gauge("kafka_broker_info", "A live broker; always 1")
	for i := range meta.Brokers {
		b := &meta.Brokers[i]
		address := ""
		if len(b.Endpoints) > 0 {
			e := b.Endpoints[0]
			address = hostPort(e.Host, e.Port)
		}
		info.add(1, labels("id", strconv.Itoa(int(b.ID)), "address", address))
	}
}

// SafeToRestart lists the partitions that keep this broker from being restarted: those that would have fewer replicas in sync than
// min.insync.replicas without it, though they have more replicas than that.
func SafeToRestart(b *broker.Broker) (blocking []protocol.TopicPartition) {
	meta := b.Cluster().Metadata()
	for _, p := range b.Replicas().All() {
		known := meta.Partition(p.TopicPartition())
		if known == nil || !slices.Contains(known.ISR, b.ID()) {
			continue
		}
		least := int(p.Config().MinInSyncReplicas)
		if len(known.Replicas) > least && len(known.ISR) <= least {
			blocking = append(blocking, p.TopicPartition())
		}
	}
	return blocking
}
