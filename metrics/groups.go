package metrics

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	"klamm/groupcoord"
)

func hostPort(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// groups are the groups that this broker coordinates: how many in each state (kafka.coordinator.group:type=GroupMetadataManager), and their
// offsets and lag as kafka_exporter and kafka-lag-exporter show them. They come from the coordinator alone, so that each group's are there once in a
// cluster. A group has series for the partitions that it has committed offsets of.
func (s *scrape) groups() {
	list := s.Groups().Survey()
	slices.SortFunc(list, func(a, b groupcoord.GroupSurvey) int { return strings.Compare(a.Group, b.Group) })
	states, offsets := map[groupcoord.State]int{}, 0
	for i := range list {
		states[list[i].State]++
		offsets += len(list[i].Offsets)
	}
	const manager = "kafka_coordinator_group_groupmetadatamanager_"
	s.gauge(manager+"numgroups", "Groups").addInt(int64(len(list)))
	s.gauge(manager+"numoffsets", "Committed offsets").addInt(int64(offsets))
	for _, g := range [...]struct {
		name  string
		state groupcoord.State
	}{
		{"numgroupspreparingrebalance", groupcoord.PreparingRebalance}, {"numgroupscompletingrebalance", groupcoord.CompletingRebalance},
		{"numgroupsstable", groupcoord.Stable}, {"numgroupsdead", groupcoord.Dead}, {"numgroupsempty", groupcoord.Empty},
	} {
		s.gauge(manager+g.name, "Groups in this state").addInt(int64(states[g.state]))
	}
	s.g.remote.ask(s.Broker, list, s.g.o.Now())
	f := s.groupFamilies()
	for i := range list {
		s.group(f, &list[i])
	}
}

// groupFamilies are the families of groups.
type groupFamilies struct {
	members, current, lag, currentSum, lagSum    *series // kafka_exporter's
	seconds, records, offset, maxSeconds, maxLag *series // kafka-lag-exporter's
	deleted                                      *series
}

func (s *scrape) groupFamilies() *groupFamilies {
	const exported, lagExported = "kafka_consumergroup_", "kafka_consumergroup_group_"
	return &groupFamilies{
		members:    s.gauge(exported+"members", "Members of a group"),
		current:    s.gauge(exported+"current_offset", "Committed offset of a group"),
		lag:        s.gauge(exported+"lag", "Records that a group has not committed"),
		currentSum: s.gauge(exported+"current_offset_sum", "Sum of a group's committed offsets of a topic"),
		lagSum:     s.gauge(exported+"lag_sum", "Records of a topic that a group has not committed"),
		seconds:    s.gauge(lagExported+"lag_seconds", "Age of the oldest record that a group has not committed, in s; 0 when it has committed all"),
		records:    s.gauge(lagExported+"lag", "Records that a group has not committed"),
		offset:     s.gauge(lagExported+"offset", "Committed offset of a group"),
		maxSeconds: s.gauge(lagExported+"max_lag_seconds", "The largest lag of a group in s"),
		maxLag:     s.gauge(lagExported+"max_lag", "The largest lag of a group in records"),
		deleted:    s.gauge("klamm_consumergroup_offset_deleted", "Whether the record at a group's committed offset is deleted"),
	}
}

// group adds the series of one group.
func (s *scrape) group(f *groupFamilies, g *groupcoord.GroupSurvey) {
	of := labels("consumergroup", g.Group)
	f.members.addInt(int64(g.Members), of)
	slices.SortFunc(g.Offsets, func(a, b groupcoord.SurveyedOffset) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	maxLag, maxSeconds, measured := int64(0), 0.0, false
	sums := map[string]*[2]int64{}
	for _, o := range g.Offsets {
		lag, known := s.lagOf(&o)
		partition := strconv.Itoa(int(o.Partition))
		named := labels("consumergroup", g.Group, "topic", o.Topic, "partition", partition)
		f.current.addInt(o.Offset, named)
		sum := sums[o.Topic]
		if sum == nil {
			sum = new([2]int64)
			sums[o.Topic] = sum
		}
		sum[0] += o.Offset
		if !known {
			continue // who leads the partition is not known, or does not answer
		}
		sum[1] += lag.records
		f.lag.addInt(lag.records, named)
		other := labels("group", g.Group, "topic", o.Topic, "partition", partition)
		f.records.addInt(lag.records, other)
		f.offset.addInt(o.Offset, other)
		f.seconds.add(lag.seconds, other)
		f.deleted.addBool(lag.deleted, named)
		maxLag, maxSeconds, measured = max(maxLag, lag.records), max(maxSeconds, lag.seconds), true
	}
	for topic, sum := range sums {
		named := labels("consumergroup", g.Group, "topic", topic)
		f.currentSum.addInt(sum[0], named)
		f.lagSum.addInt(sum[1], named)
	}
	if measured {
		only := labels("group", g.Group)
		f.maxLag.addInt(maxLag, only)
		f.maxSeconds.add(maxSeconds, only)
	}
}
