package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// holds checks what every plan has to keep.
func holds(t *testing.T, seed uint64, s *state) {
	t.Helper()
	replicas, leaders, bytes := make([]int, len(s.ids)), make([]int, len(s.ids)), make([]int64, len(s.ids))
	for i := range s.parts {
		p := &s.parts[i]
		leaders[p.now[0]]++
		for j, b := range p.now {
			replicas[b]++
			bytes[b] += p.Bytes
			if slices.Contains(p.now[:j], b) {
				t.Errorf("seed %d: %s-%d has two replicas on broker %d", seed, p.Topic, p.ID, s.ids[b])
			}
			if !s.usable[b] && !slices.Contains(p.was, b) {
				t.Errorf("seed %d: %s-%d gets a replica on broker %d", seed, p.Topic, p.ID, s.ids[b])
			}
		}
		if len(p.now) == len(p.was) && crowding(s, p.now) > crowding(s, p.was) {
			t.Errorf("seed %d: %s-%d goes from %v to %v, which is more in one rack", seed, p.Topic, p.ID, p.was, p.now)
		}
		if p.Fixed && !slices.Equal(p.was, p.now) {
			t.Errorf("seed %d: %s-%d is fixed, and goes from %v to %v", seed, p.Topic, p.ID, p.was, p.now)
		}
	}
	if !slices.Equal(replicas, s.replicas) || !slices.Equal(leaders, s.leaders) || !slices.Equal(bytes, s.bytes) {
		t.Errorf("seed %d: counted %v %v %v, kept %v %v %v", seed, replicas, leaders, bytes, s.replicas, s.leaders, s.bytes)
	}
}

// apply gives the partitions after a plan.
func apply(partitions []Partition, moves []Move) []Partition {
	after := slices.Clone(partitions)
	for i, p := range after {
		for _, m := range moves {
			if m.Topic == p.Topic && m.Partition == p.ID {
				after[i].Replicas, after[i].InSync = m.To, m.To
			}
		}
	}
	return after
}

// large makes brokers in racks, and topics whose replicas are in different racks as Kafka assigns them, all on the first of the brokers.
func large(brokers, used, partitions, perTopic, racks int) ([]Broker, []Partition) {
	rng := rand.New(rand.NewPCG(1, 5))
	var all []Broker
	for id := range brokers {
		all = append(all, Broker{ID: int32(id), Rack: fmt.Sprint("r", id%racks)})
	}
	var parts []Partition
	for i := range partitions {
		first := rng.IntN(used)
		p := Partition{Topic: fmt.Sprint("t", i/perTopic), ID: int32(i % perTopic), Bytes: int64(rng.IntN(1 << 30))}
		for r := range 3 {
			p.Replicas = append(p.Replicas, int32((first+r)%used))
		}
		p.InSync = p.Replicas
		parts = append(parts, p)
	}
	return all, parts
}

// TestLargeClusters checks what holds of plans for random clusters: they are even, nothing more moves when planned again, and no goal undoes another.
func TestLargeClusters(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 6))
		var brokers []Broker
		for id := range 6 + rng.IntN(20) {
			b := Broker{ID: int32(id * 7)}
			if seed%2 == 0 {
				b.Rack = fmt.Sprint("r", id%3)
			}
			brokers = append(brokers, b)
		}
		partitions := random(rng, brokers[:3+rng.IntN(len(brokers)-3)], 300+rng.IntN(500), 3)
		for i := range partitions {
			partitions[i].Fixed = rng.IntN(30) == 0
		}
		s := newState(brokers, partitions)
		s.spread(Goals)
		holds(t, seed, s)
		if spread := slices.Max(s.replicas) - slices.Min(s.replicas); spread > 1 {
			t.Errorf("seed %d: replicas differ by %d: %v", seed, spread, s.replicas)
		}
		if spread := slices.Max(s.leaders) - slices.Min(s.leaders); spread > 1 {
			t.Errorf("seed %d: leaders differ by %d: %v", seed, spread, s.leaders)
		}
		if spread := float64(slices.Max(s.bytes)) / float64(slices.Min(s.bytes)); spread > 1.25 {
			t.Errorf("seed %d: bytes differ by a factor of %.2f: %v", seed, spread, s.bytes)
		}
		if again := Spread(brokers, apply(partitions, s.moves()), Goals...); len(again) > 0 {
			t.Errorf("seed %d: planned again, %d more move, the first is %v", seed, len(again), again[0])
		}
	}
}

// TestABrokerJoins: only what the new broker gets is copied.
func TestABrokerJoins(t *testing.T) {
	brokers, partitions := large(4, 3, 400, 10, 1)
	moves := Spread(brokers, partitions, Replicas, Leaders)
	copies := 0
	for _, m := range moves {
		for _, id := range m.Added() {
			if id != 3 {
				t.Errorf("%v copies to broker %d", m, id)
			}
			copies++
		}
	}
	if copies != 300 {
		t.Errorf("%d copies, want 300", copies)
	}
}

func TestDrain(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 7))
		brokers, partitions := large(9, 9, 300, 10, 3)
		partitions = append(partitions, random(rng, brokers, 50, 3)...)
		if seed%2 == 0 {
			brokers = brokers[1:] // broker 0 is dead
			partitions = slices.DeleteFunc(partitions, func(p Partition) bool { return slices.Equal(p.Replicas, []int32{0}) })
		}
		s := newState(brokers, partitions)
		moves, left, err := s.drain(0)
		if err != nil || len(left) > 0 {
			t.Fatal(err, left)
		}
		for i := range s.parts {
			p := &s.parts[i]
			held := slices.Contains(p.Replicas, 0)
			if copies := missing(p.now, p.was); copies != as(held) || slices.Contains(p.now, s.at[0]) || !held && !slices.Equal(p.was, p.now) {
				t.Errorf("seed %d: %s-%d goes from %v to %v", seed, p.Topic, p.ID, p.was, p.now)
			}
		}
		for _, m := range moves {
			racks := map[int32]bool{}
			for _, id := range m.To {
				racks[id%3] = true
			}
			if strings.HasPrefix(m.Topic, "t") && len(m.From) == 3 && m.Bytes > 1000 && len(racks) != 3 {
				t.Errorf("seed %d: %v has %d racks", seed, m, len(racks))
			}
		}
	}
	brokers, partitions := large(3, 3, 10, 10, 3)
	for id, want := range map[int32]string{1: "lower its replication factor first", 9: "broker 9 is not alive and has no replica"} {
		if _, _, err := Drain(brokers, partitions, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("draining %d: %v, want %q", id, err, want)
		}
	}
}

func TestFactor(t *testing.T) {
	brokers, partitions := large(6, 6, 120, 10, 3)
	fewer, left, err := Factor(brokers, partitions, 2)
	if err != nil || len(left) > 0 || len(fewer) != 120 {
		t.Fatal(err, len(fewer))
	}
	for _, m := range fewer {
		if len(m.To) != 2 || len(m.Added()) > 0 || m.To[0] != m.From[0] {
			t.Errorf("%v", m)
		}
	}
	two := apply(partitions, fewer)
	more, left, err := Factor(brokers, two, 3)
	if err != nil || len(left) > 0 || len(more) != 120 {
		t.Fatal(err, len(more))
	}
	s := newState(brokers, apply(two, more))
	holds(t, 0, s)
	if slices.Max(s.replicas)-slices.Min(s.replicas) > 1 {
		t.Errorf("replicas: %v", s.replicas)
	}
	for _, m := range more {
		racks := map[int32]bool{}
		for _, id := range m.To {
			racks[id%3] = true
		}
		if len(racks) != 3 || !slices.Equal(m.To[:2], m.From) {
			t.Errorf("%v has %d racks", m, len(racks))
		}
	}
	if _, _, err := Factor(brokers, partitions, 7); err == nil || err.Error() != "a replication factor of 7 needs 7 brokers, and 6 are alive" {
		t.Error(err)
	}
	if _, _, err := Factor(brokers, partitions, 0); err == nil {
		t.Error("a replication factor of 0 is possible")
	}
}

// TestFactorKeepsAReplicaInSync: what is dead or out of sync goes first, though it is the preferred leader.
func TestFactorKeepsAReplicaInSync(t *testing.T) {
	brokers := []Broker{{ID: 1}, {ID: 2}, {ID: 3}}
	moves, _, err := Factor(brokers, []Partition{
		{Topic: "a", Replicas: []int32{1, 2, 3}, InSync: []int32{3}},
		{Topic: "b", Replicas: []int32{4, 2, 3}, InSync: []int32{2, 3}},
	}, 1)
	if err != nil || len(moves) != 2 || !slices.Equal(moves[0].To, []int32{3}) || !slices.Equal(moves[1].To, []int32{2}) && !slices.Equal(moves[1].To, []int32{3}) {
		t.Error(moves, err)
	}
}

// TestWithoutAllRacksNoneCounts: with a broker that has no rack, Kafka does not look at racks either.
func TestWithoutAllRacksNoneCounts(t *testing.T) {
	moves := Spread([]Broker{{ID: 1, Rack: "a"}, {ID: 2, Rack: "a"}, {ID: 3}}, []Partition{{Topic: "t", Replicas: []int32{1, 2}}}, Racks)
	if len(moves) > 0 {
		t.Error(moves)
	}
}

// TestTheBrokerThatLeavesNeedsNoRack: those of the others count all the same.
func TestTheBrokerThatLeavesNeedsNoRack(t *testing.T) {
	brokers := []Broker{{ID: 1}, {ID: 2, Rack: "a"}, {ID: 3, Rack: "a"}, {ID: 4, Rack: "b"}}
	parts := []Partition{{Topic: "t", Replicas: []int32{1, 2}, InSync: []int32{1, 2}}, {Topic: "u", Replicas: []int32{4}, InSync: []int32{4}}, {Topic: "v", Replicas: []int32{4}, InSync: []int32{4}}}
	if moves, left, err := Drain(brokers, parts, 1); err != nil || len(left) > 0 || len(moves) != 1 || !slices.Contains(moves[0].To, 4) {
		t.Error(moves, left, err)
	}
}

// TestDeadBrokersKeepTheirPartitions: a partition with a replica on a dead broker, or one that is offline, stays as it is.
func TestDeadBrokersKeepTheirPartitions(t *testing.T) {
	moves := Spread([]Broker{{ID: 1}, {ID: 2}}, []Partition{{Topic: "t", ID: 0, Replicas: []int32{1, 9}}, {Topic: "t", ID: 1, Replicas: []int32{1, 9}}}, Goals...)
	if len(moves) > 0 {
		t.Error(moves)
	}
	parts := []Partition{{Topic: "t", ID: 0, Replicas: []int32{1, 2}}, {Topic: "t", ID: 1, Replicas: []int32{1, 2}}}
	for _, offline := range [][]int32{nil, {2}} {
		for i := range parts {
			parts[i].Offline = offline
		}
		if moves := Spread([]Broker{{ID: 1}, {ID: 2}, {ID: 3}}, parts, Goals...); len(moves) > 0 == (offline != nil) {
			t.Error(offline, moves)
		}
	}
}

// TestMovesThatNeverEnd: a reassignment ends when all that it is going to have is in sync, so no plan keeps a dead broker, or a log directory that is offline, in a partition that
// moves, nor moves one of which nothing can be copied. Drain replaces other dead brokers too, where there is room. What stays for such a reason is named.
func TestMovesThatNeverEnd(t *testing.T) {
	alive := func(ids ...int32) (all []Broker) {
		for _, id := range ids {
			all = append(all, Broker{ID: id})
		}
		return all
	}
	drain := func(id int32) func([]Broker, []Partition) ([]Move, []Left, error) {
		return func(b []Broker, p []Partition) ([]Move, []Left, error) { return Drain(b, p, id) }
	}
	factor := func(n int) func([]Broker, []Partition) ([]Move, []Left, error) {
		return func(b []Broker, p []Partition) ([]Move, []Left, error) { return Factor(b, p, n) }
	}
	for _, c := range []struct {
		name             string
		plan             func([]Broker, []Partition) ([]Move, []Left, error)
		brokers          []Broker
		replicas, inSync []int32
		want             string // the replicas, or why the partition stays
		offline          []int32
	}{
		{"drain the only replica, dead", drain(4), alive(1, 2), []int32{4}, []int32{4}, "none of its replicas in sync, [4], is on", nil},
		{"drain a dead broker beside one out of sync", drain(4), alive(1, 2), []int32{4, 1}, []int32{4}, "none of its replicas in sync, [4], is on", nil},
		{"drain one of two dead", drain(4), alive(1, 2, 3), []int32{4, 5, 1}, []int32{1}, "[2 3 1]", nil},
		{"drain a live broker beside a dead one", drain(4), alive(1, 2, 3, 4), []int32{4, 5, 1}, []int32{4}, "[2 3 1]", nil},
		{"drain the only one in sync, live", drain(4), alive(1, 4), []int32{4}, []int32{4}, "[1]", nil},
		{"drain one of two dead with room for one", drain(4), alive(1, 2), []int32{4, 5, 1}, []int32{1}, "its replicas on the brokers [4 5], which are not alive, or have it in a log directory that is offline, would have to move too, and too few brokers are left: start those, or lower its replication factor to 1 first", nil},
		{"more replicas beside a dead one", factor(3), alive(1, 2, 3), []int32{4, 2}, []int32{2}, "it would keep replicas on the brokers [4], which are not alive", nil},
		{"fewer replicas, more of them dead", factor(2), alive(1, 2, 3), []int32{4, 5, 1}, []int32{1}, "it would keep replicas on the brokers [4 5], which are not alive", nil},
		{"fewer replicas without the dead ones", factor(1), alive(1, 2, 3), []int32{4, 5, 1}, []int32{1}, "[1]", nil},
		{"fewer replicas, the last one in sync is dead", factor(1), alive(1, 2), []int32{4, 1}, []int32{4}, "none of its replicas in sync, [4], is on", nil},
		{"more replicas of one that is dead", factor(2), alive(1, 2), []int32{4}, []int32{4}, "none of its replicas in sync, [4], is on", nil},
		{"as many replicas as there are", factor(2), alive(1, 2), []int32{4, 1}, []int32{1}, "", nil},
		{"drain beside one that is offline", drain(3), alive(1, 2, 3, 4, 5), []int32{3, 2, 1}, []int32{3, 1}, "[4 5 1]", []int32{2}},
		{"drain what is offline", drain(2), alive(1, 2, 3), []int32{2, 1}, []int32{1}, "[3 1]", []int32{2}},
		{"drain beside one that is offline, without room", drain(3), alive(1, 2, 3), []int32{3, 2, 1}, []int32{3, 1}, "its replicas on the brokers [2], which are not alive, or have it in a log directory that is offline, would", []int32{2}},
		{"drain beside one that is offline, with room for one", drain(3), alive(1, 2, 3, 4), []int32{3, 2, 1}, []int32{3, 1}, "its replicas on the brokers [2], which", []int32{2}},
		{"drain where the only one in sync is offline", drain(3), alive(1, 2, 3), []int32{3, 2}, []int32{2}, "none of its replicas in sync, [2], is on", []int32{2}},
		{"more replicas beside one that is offline", factor(3), alive(1, 2, 3), []int32{1, 2}, []int32{1}, "it would keep replicas on the brokers [2], which", []int32{2}},
		{"fewer replicas, the one that is offline goes", factor(2), alive(1, 2, 3), []int32{1, 2, 3}, []int32{2, 3}, "[2 3]", []int32{1}},
	} {
		moves, left, err := c.plan(c.brokers, []Partition{{Topic: "t", Replicas: c.replicas, InSync: c.inSync, Offline: c.offline}})
		got := ""
		for _, m := range moves {
			got += fmt.Sprint(m.To)
		}
		for _, l := range left {
			got += l.Why
		}
		if err != nil || len(moves)+len(left) > 1 || !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q %v, want %q", c.name, got, err, c.want)
		}
	}
}

// TestNoBrokerIsLeft: where no broker may get a replica, nothing moves. The planner panicked.
func TestNoBrokerIsLeft(t *testing.T) {
	if moves, _, err := Drain([]Broker{{ID: 1}}, nil, 1); len(moves) > 0 || err != nil {
		t.Error(moves, err)
	}
	if moves := Spread(nil, []Partition{{Topic: "t", Replicas: []int32{1, 2}, Bytes: 1}}, Goals...); len(moves) > 0 {
		t.Error(moves)
	}
	if _, _, err := Drain([]Broker{{ID: 1}}, []Partition{{Topic: "t", Replicas: []int32{1}, InSync: []int32{1}}}, 1); err == nil || err.Error() != "t-0 has its replica on broker 1, and no other broker is alive" {
		t.Error(err)
	}
}

// TestStepsGrowWithThePartitions: twice as many partitions take about twice as many steps, in racks of different sizes too.
func TestStepsGrowWithThePartitions(t *testing.T) {
	for _, racks := range []int{1, 3, 7} {
		steps := func(partitions int) int {
			s := newState(large(100, 90, partitions, 100, racks))
			s.spread([]Goal{Racks, Replicas, Leaders})
			return s.steps
		}
		one, two := steps(20_000), steps(40_000)
		t.Logf("%d racks: %d steps for 20,000 partitions, %d for 40,000", racks, one, two)
		if two > 3*one {
			t.Errorf("%d racks: %d steps for 20,000 partitions, %d for 40,000", racks, one, two)
		}
		if most := 20_000 * 3 * 100 * 100; one > most {
			t.Errorf("%d racks: %d steps, want at most a hundred for each replica and broker", racks, one)
		}
	}
}

// BenchmarkSpread plans for 200,000 partitions on a hundred brokers, of which ten have just joined.
func BenchmarkSpread(b *testing.B) {
	brokers, partitions := large(100, 90, 200_000, 100, 3)
	b.ReportAllocs()
	for b.Loop() {
		Spread(brokers, partitions, Goals...)
	}
}
