package groupcoord

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"klamm/protocol"
	"klamm/protocol/batch"
)

// partitioned is a coordinator of several partitions of __consumer_offsets, whose number may grow.
type partitioned struct {
	t    *testing.T
	c    *Coordinator
	logs []*memLog
}

func newPartitioned(t *testing.T, count, most int32) *partitioned {
	p := &partitioned{t: t}
	for range most {
		p.logs = append(p.logs, &memLog{})
	}
	p.restart(count)
	return p
}

// restart has a coordinator of so many partitions read the logs of all.
func (p *partitioned) restart(count int32) {
	if p.c != nil {
		p.c.Close()
		synctest.Wait()
	}
	p.create(count)
	for i := range count {
		p.c.Elected(i, 1, p.logs[i])
	}
	synctest.Wait()
}

func (p *partitioned) create(count int32) {
	config := testConfig()
	config.Partitions = func() int32 { return count }
	config.InitialRebalanceDelayMs = 0
	p.c = New(testOptions(config, func(prefix string) string { return prefix + "-1" }))
	p.c.Serve()
}

func (p *partitioned) commit(group string, at int64) {
	p.t.Helper()
	r := &CommitRequest{Group: group, Generation: -1, RetentionMs: -1, Offsets: []CommittedOffset{{Topic: "t", Offset: at, LeaderEpoch: -1, TimestampMs: -1}}}
	err := errors.New("not answered")
	r.Done = func(e error) { err = e }
	p.c.Commit(r)
	if err != nil {
		p.t.Errorf("%s commits: %v", group, err)
	}
	time.Sleep(time.Second)
}

// has compares all groups and their offsets in t-0 with those that are wanted.
func (p *partitioned) has(want map[string]int64) {
	p.t.Helper()
	synctest.Wait()
	list, err := p.c.ListGroups(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, o := range list {
		names = append(names, o.Group)
	}
	slices.Sort(names)
	if known := slices.Sorted(maps.Keys(want)); !slices.Equal(names, known) {
		p.t.Errorf("%v are listed, want %v", names, known)
	}
	for group, at := range want {
		offsets, err := p.c.FetchOffsets(group, nil, true)
		if err != nil || len(offsets) != 1 || offsets[0].Offset != at || offsets[0].Err != nil {
			p.t.Errorf("%s has %+v, %v, want %d", group, offsets, err, at)
		}
		if d, err := p.c.DescribeGroup(group); err != nil || d.State == Dead {
			p.t.Errorf("%s is described as %v, %v", group, d.State, err)
		}
	}
}

// records gives the last record of each key of a group, by partition: "1: offset of g in t-0: 5".
func (p *partitioned) records(group string) (list []string) {
	for i, log := range p.logs {
		last := map[string]string{}
		for _, b := range log.batches {
			for r, err := range batch.Records(b, 0) {
				if err != nil {
					p.t.Fatal(err)
				}
				if of, _, _, _ := readKey(r.Key); of == group {
					last[string(r.Key)] = recordText(r.Key, r.Value)
				}
			}
		}
		for _, text := range last {
			list = append(list, fmt.Sprintf("%d: %s", i, text))
		}
	}
	slices.Sort(list)
	return list
}

func (p *partitioned) recordsAre(group string, want ...string) {
	p.t.Helper()
	slices.Sort(want)
	if got := p.records(group); !slices.Equal(got, want) {
		p.t.Errorf("the records of %s are\n%q\nwant\n%q", group, got, want)
	}
}

// TestGroupsAfterThePartitionsGrew: groups whose records are in another partition than their id hashes to are there, once, and move.
func TestGroupsAfterThePartitionsGrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitioned(t, 5, 11)
		want := map[string]int64{}
		for i := range 8 {
			group := fmt.Sprint("group-", i)
			p.commit(group, int64(i))
			want[group] = int64(i)
		}
		joined := make(chan JoinAnswer, 1)
		p.c.Join(&JoinRequest{Group: "group-0", SessionTimeoutMs: 1_800_000, RebalanceTimeoutMs: 60_000, ProtocolType: consumerProtocol, ClientID: "c",
			Protocols: []Protocol{{"range", subscribes("t")}}, Done: func(a JoinAnswer) { joined <- a }})
		a := <-joined
		p.c.Sync(&SyncRequest{Group: "group-0", MemberID: a.MemberID, Generation: 1, Assignments: []Assignment{{a.MemberID, []byte("t0")}}, Done: func(SyncAnswer) {}})

		p.restart(11)
		p.has(want)
		if err := p.c.Heartbeat(&HeartbeatRequest{Group: "group-0", MemberID: a.MemberID, Generation: 1}); err != nil {
			t.Errorf("the member of group-0: %v", err)
		}
		old, home := p.homes("group-0")
		p.recordsAre("group-0", fmt.Sprintf("%d: group group-0 removed", old), fmt.Sprintf("%d: offset of group-0 in t-0 removed", old),
			fmt.Sprintf("%d: group group-0: generation=1 protocol=range leader=c-1 c-1=t0", home), fmt.Sprintf("%d: offset of group-0 in t-0: 0", home))
		p.commit("group-1", 100)
		want["group-1"] = 100
		if err := p.c.DeleteGroup("group-2"); err != nil {
			t.Error(err)
		}
		delete(want, "group-2")
		p.has(want)
		for range 2 {
			p.restart(11)
			p.has(want)
		}
		p.c.Close()
	})
}

// homes gives where a group was with 5 partitions, and is with 11; another one.
func (p *partitioned) homes(group string) (old, home int32) {
	p.t.Helper()
	config := testConfig()
	config.Partitions = func() int32 { return 5 }
	old = New(testOptions(config, nil)).PartitionOf(group)
	config.Partitions = func() int32 { return 11 }
	home = New(testOptions(config, nil)).PartitionOf(group)
	if old == home {
		p.t.Fatalf("%s is in %d either way", group, old)
	}
	return old, home
}

// write puts an offset of group-0 into a partition, as another broker would have.
func (p *partitioned) write(partition int32, at int64, committed time.Time) {
	p.t.Helper()
	b := batch.NewBuilder(batch.None)
	r := commitRecord("group-0", "t", 0, commit{offset: at, leaderEpoch: -1, timeMs: committed.UnixMilli(), expiresMs: -1})
	b.Add(committed.UnixMilli(), r.key, r.value)
	p.append(partition, b)
}

func (p *partitioned) append(partition int32, b *batch.Builder) {
	p.t.Helper()
	data, err := b.Build()
	if err != nil {
		p.t.Fatal(err)
	}
	if _, _, err := p.logs[partition].Append(data, nil); err != nil {
		p.t.Fatal(err)
	}
}

// TestGroupInTwoPartitions: of an offset that is in two partitions the one counts that was committed later, wherever that is.
func TestGroupInTwoPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, later := range []string{"home", "old"} {
			p := newPartitioned(t, 11, 11)
			old, home := p.homes("group-0")
			now := time.Now()
			p.write(old, 1, now.Add(-2*time.Minute))
			p.write(home, 2, now.Add(-time.Minute))
			want := int64(2)
			if later == "old" {
				p.write(old, 3, now)
				want = 3
			}
			p.restart(11)
			for range 3 {
				p.has(map[string]int64{"group-0": want})
				p.recordsAre("group-0", fmt.Sprintf("%d: offset of group-0 in t-0 removed", old),
					fmt.Sprintf("%d: offset of group-0 in t-0: %d", home, want))
				p.restart(11)
			}
			p.c.Close()
		}
	})
}

// TestMoveThatFails: what cannot be moved is served all the same, is tried again, and comes back after no deletion.
func TestMoveThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, broken := range []string{"home", "old"} {
			p := newPartitioned(t, 11, 11)
			old, home := p.homes("group-0")
			p.write(old, 1, time.Now())
			log := p.logs[map[string]int32{"home": home, "old": old}[broken]]
			log.turn(false, errors.New("no space left on device"))
			p.restart(11)
			p.has(map[string]int64{"group-0": 1})
			p.c.ExpireOffsets() // tries again, in vain
			log.turn(false, nil)
			p.c.ExpireOffsets()
			p.has(map[string]int64{"group-0": 1})
			p.recordsAre("group-0", fmt.Sprintf("%d: offset of group-0 in t-0 removed", old), fmt.Sprintf("%d: offset of group-0 in t-0: 1", home))

			// A group that is deleted before its move ends does not come back.
			p.write(old, 9, time.Now().Add(time.Minute))
			log.turn(false, errors.New("no space left on device"))
			p.restart(11)
			p.has(map[string]int64{"group-0": 9})
			log.turn(false, nil)
			if err := p.c.DeleteGroup("group-0"); err != nil {
				t.Error(err)
			}
			p.c.ExpireOffsets()
			p.restart(11)
			p.has(nil)
			p.c.Close()
		}
	})
}

// TestMoveThatIsNotCommitted: the group is served, nothing is removed from where it was, and a stop does not wait for the commit.
func TestMoveThatIsNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitioned(t, 11, 11)
		old, home := p.homes("group-0")
		p.write(old, 1, time.Now())
		p.logs[home].turn(true, nil)
		p.restart(11)
		p.has(map[string]int64{"group-0": 1})
		moving := []string{fmt.Sprintf("%d: offset of group-0 in t-0: 1", old), fmt.Sprintf("%d: offset of group-0 in t-0: 1", home)}
		p.recordsAre("group-0", moving...)
		p.logs[home].turn(false, nil)
		p.restart(11)
		p.has(map[string]int64{"group-0": 1})
		p.recordsAre("group-0", fmt.Sprintf("%d: offset of group-0 in t-0 removed", old), fmt.Sprintf("%d: offset of group-0 in t-0: 1", home))
		p.c.Close()
	})
}

// TestMoveBesideATransaction: an offset of which a transaction is open at home stays where it was found, since a record behind the
// transaction's would count more than that. When the transaction has ended the offset moves.
func TestMoveBesideATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, commits := range []bool{true, false} {
			p := newPartitioned(t, 11, 11)
			old, home := p.homes("group-0")
			p.write(old, 1, time.Now())
			b := batch.NewBuilder(batch.None)
			b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Transactional = 7, 0, 0, true
			r := commitRecord("group-0", "t", 0, commit{offset: 2, leaderEpoch: -1, timeMs: time.Now().Add(time.Second).UnixMilli(), expiresMs: -1})
			b.Add(0, r.key, r.value)
			p.append(home, b)
			p.restart(11)
			if list, err := p.c.FetchOffsets("group-0", nil, false); err != nil || len(list) != 1 || list[0].Offset != 1 {
				t.Errorf("the group's offsets: %v, %v", list, err)
			}
			p.recordsAre("group-0", fmt.Sprintf("%d: offset of group-0 in t-0: 1", old), fmt.Sprintf("%d: offset of group-0 in t-0: 2", home))
			b.Reset()
			b.ProducerID, b.ProducerEpoch, b.Transactional, b.Control = 7, 0, true, true
			want := int64(1)
			marker := []byte{0, 0, 0, 0}
			if commits {
				want, marker[3] = 2, 1
			}
			b.Add(0, marker, []byte{0, 0, 0, 0, 0, 0})
			p.append(home, b)
			for range 2 {
				p.restart(11)
				p.has(map[string]int64{"group-0": want})
			}
			p.c.Close()
		}
	})
}

// TestGroupWhoseHomeIsNotServed: it waits for its home, and no other broker's group is listed here.
func TestGroupWhoseHomeIsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitioned(t, 11, 11)
		old, home := p.homes("group-0")
		p.write(old, 1, time.Now())
		p.c.Close()
		p.create(11)
		p.c.Elected(old, 1, p.logs[old])
		p.has(nil)
		if _, err := p.c.FetchOffsets("group-0", nil, true); !errors.Is(err, ErrNotCoordinator) {
			t.Errorf("the group's offsets: %v", err)
		}
		p.c.Elected(home, 1, p.logs[home])
		p.has(map[string]int64{"group-0": 1})

		// Once more, and the home is served already when the partition with the records comes.
		p.write(old, 2, time.Now().Add(time.Minute))
		p.c.Close()
		p.create(11)
		p.c.Elected(home, 1, p.logs[home])
		p.has(map[string]int64{"group-0": 1})
		p.c.Elected(old, 2, p.logs[old])
		p.has(map[string]int64{"group-0": 2})
		p.c.Close()
	})
}

// TestGroupsWaitForOtherPartitions: as long as a partition is being read, or cannot be read, that may have records of a group, nobody is told
// that the group has none: its members would begin at auto.offset.reset. What is known is served.
func TestGroupsWaitForOtherPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitioned(t, 11, 11)
		old, home := p.homes("group-0")
		p.write(old, 1, time.Now())
		p.c.Close()
		p.create(11)
		p.logs[old].stuck = make(chan struct{})
		p.c.Elected(home, 1, p.logs[home])
		p.c.Elected(old, 1, p.logs[old])
		synctest.Wait()
		if _, err := p.c.FetchOffsets("group-0", nil, true); !errors.Is(err, ErrLoading) {
			t.Errorf("the group's offsets: %v", err)
		}
		p.logs[old].mu.Lock()
		p.logs[old].broken = errors.New("too many open files")
		close(p.logs[old].stuck)
		p.logs[old].stuck = nil
		p.logs[old].mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		p.answersNothingUnread("group-0")
		p.logs[old].mu.Lock()
		p.logs[old].broken = nil
		p.logs[old].mu.Unlock()
		time.Sleep(time.Minute)
		if list, err := p.c.FetchOffsets("group-0", []Partitions{{"t", []int32{0, 1}}}, true); err != nil || list[0].Offset != 1 || list[1].Offset != -1 {
			t.Errorf("the group's offsets: %v, %v", list, err)
		}
		p.c.Close()
	})
}

// TestConsumersFailedOfAPartitionThatCannotBeRead: OffsetFetch gave COORDINATOR_NOT_AVAILABLE while the group's own partition could not be read.
// Java's consumer before 3.9 does not ask again after that, but throws. The other requests keep that error, after which it looks for the coordinator.
func TestConsumersFailedOfAPartitionThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPartitioned(t, 11, 11)
		_, home := p.homes("group-0")
		p.write(home, 1, time.Now())
		p.logs[home].broken = errors.New("too many open files")
		p.restart(11)
		time.Sleep(time.Minute)
		if _, err := p.c.FetchOffsets("group-0", nil, true); !errors.Is(err, ErrLoading) {
			t.Errorf("the group's offsets: %v", err)
		}
		if err := p.c.Heartbeat(&HeartbeatRequest{Group: "group-0"}); !errors.Is(err, ErrNotAvailable) {
			t.Errorf("a heartbeat: %v", err)
		}
		p.c.Close()
		if _, err := p.c.FetchOffsets("group-0", nil, true); !errors.Is(err, ErrNotAvailable) {
			t.Errorf("the group's offsets after the stop: %v", err)
		}
	})
}

// answersNothingUnread asks for what may be in a partition that cannot be read, in every way, and for what is known.
func (p *partitioned) answersNothingUnread(group string) {
	p.t.Helper()
	asked := []Partitions{{"t", []int32{0}}}
	_, all := p.c.FetchOffsets(group, nil, true)
	_, one := p.c.FetchOffsets(group, asked, false)
	_, described := p.c.DescribeGroup(group)
	_, deleted := p.c.DeleteOffsets(group, asked)
	for what, err := range map[string]error{
		"all offsets": all, "an offset": one, "a description": described, "the offsets' deletion": deleted, "the group's deletion": p.c.DeleteGroup(group),
	} {
		if !errors.Is(err, ErrLoading) {
			p.t.Errorf("%s: %v, want %v", what, err, ErrLoading)
		}
	}
	if _, err := p.c.ListGroups(nil); !errors.Is(err, ErrNotAvailable) {
		p.t.Errorf("all groups: %v", err)
	}
	other := "other"
	for i := 0; p.c.PartitionOf(other) != p.c.PartitionOf(group); i++ {
		other = fmt.Sprint("other-", i)
	}
	p.commit(other, 5)
	if list, err := p.c.FetchOffsets(other, asked, true); err != nil || len(list) != 1 || list[0].Offset != 5 {
		p.t.Errorf("an offset that was committed meanwhile: %v, %v", list, err)
	}
	if _, err := p.c.FetchOffsets(other, []Partitions{{"t", []int32{0, 1}}}, true); !errors.Is(err, ErrLoading) {
		p.t.Errorf("that offset and another one: %v", err)
	}
	if d, err := p.c.DescribeGroup(other); err != nil || d.State != Empty {
		p.t.Errorf("the group of that offset is %v, %v", d.State, err)
	}
}

// TestOffsetsOfATopicMadeAgainOutlastALoad has a topic deleted while a partition of __consumer_offsets cannot be read, and made again.
// When the partition was read at last, the other partitions' groups lost what they had committed since.
func TestOffsetsOfATopicMadeAgainOutlastALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, again := range []bool{true, false} {
			p := newPartitioned(t, 11, 11)
			old, home := p.homes("group-0")
			p.write(old, 1, time.Now())
			p.logs[old].broken = errors.New("too many open files")
			p.restart(11)
			time.Sleep(time.Minute) // the others are served without it
			p.c.DeletedPartitions([]Partitions{{"t", []int32{0}}})
			want, records := map[string]int64{}, []string{fmt.Sprintf("%d: offset of group-0 in t-0 removed", old)}
			if again {
				p.commit("group-0", 7)
				want["group-0"], records = 7, append(records, fmt.Sprintf("%d: offset of group-0 in t-0: 7", home))
			}
			p.logs[old].mu.Lock()
			p.logs[old].broken = nil
			p.logs[old].mu.Unlock()
			time.Sleep(time.Minute)
			p.c.ExpireOffsets() // a group without offsets ends
			for range 2 {
				p.has(want)
				p.recordsAre("group-0", records...)
				p.restart(11)
			}
			p.c.Close()
		}
	})
}

// TestCommitOfAnEarlierMoveIsNotTheLatersCommit: a move that is written again took what became of the first attempt's batches for its own.
func TestCommitOfAnEarlierMoveIsNotTheLatersCommit(t *testing.T) {
	config := testConfig()
	g := newGroup(&config, "g", 0)
	g.put("t", 0, commit{expiresMs: -1})
	m := &move{group: "g", newer: []protocol.TopicPartition{tpOf("t", 0)}}
	var first, second effects
	m.write(g, &first)
	m.write(g, &second)
	first.writes[0].committed(ErrNotCoordinator)
	if n := len(m.settled); n != 0 {
		t.Errorf("%d batches count as settled, and none of the second attempt is", n)
	}
}
