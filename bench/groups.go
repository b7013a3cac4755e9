package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// sessionTimeout is the session timeout of members of which one dies: the smallest that a broker takes by default. A
// miniature has a shorter one.
const sessionTimeout = 6 * time.Second

// beatEvery is the heartbeat interval of such members. The clients' default is 3 s, but a member is told of a rebalance in
// the answer to its heartbeat: the load would measure that wait and nothing else.
const beatEvery = 100 * time.Millisecond

// gathering is a load in which the members of one group come at once. With dies one of them then dies, and
// the others share its partitions.
type gathering struct {
	part int // a group has a member for every part of -members: 10 for a tenth
	dies bool
}

func (g gathering) open(ctx context.Context, s *subject) (*session, error) {
	b := s.target.(*broker)
	topic, partitions := topicName(), max(1, s.partitions/10)
	if err := b.makeTopic(ctx, topic, partitions, nil); err != nil {
		return nil, err
	}
	// The first group does not count: a JVM was warmed with records alone.
	if _, err := g.round(ctx, s, topic, partitions, false); err != nil {
		return nil, err
	}
	return &session{
		close: func(ctx context.Context) error { return b.dropTopic(ctx, topic) },
		round: func(ctx context.Context) (figures.Sample, error) { return g.round(ctx, s, topic, partitions, g.dies) },
	}, nil
}

// round measures a group of its own.
func (g gathering) round(ctx context.Context, s *subject, topic string, partitions int, dies bool) (figures.Sample, error) {
	b := s.target.(*broker)
	group := groupNames(1)
	if err := awaitCoordinator(ctx, b.addr(), topic, group); err != nil {
		return nil, err
	}
	clients, err := replay.DialMany(ctx, b.addr(), max(2, s.members/g.part))
	defer replay.CloseAll(clients)
	if err != nil {
		return nil, err
	}
	a := &assembly{partitions: partitions}
	for _, c := range clients {
		a.members = append(a.members, &replay.Member{Client: c, Group: group[0], Topic: topic, Partitions: partitions,
			Session: min(sessionTimeout, max(time.Second, s.during))})
	}
	sample, err := a.round(ctx, b.pids(), dies)
	return sample, errors.Join(err, deleteGroups(ctx, b.admin, group))
}

// deleteGroups deletes those of the groups that exist: a run with little work does not use every one.
func deleteGroups(ctx context.Context, admin *kadm.Client, groups []string) error {
	answers, err := admin.DeleteGroups(ctx, groups...)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.Err != nil && !errors.Is(a.Err, kerr.GroupIDNotFound) {
			return fmt.Errorf("deleting group %s: %w", a.Group, a.Err)
		}
	}
	return nil
}

// assembly is the members of a group, each of which runs by itself.
type assembly struct {
	members    []*replay.Member
	partitions int

	mu         sync.Mutex
	want       int   // how many members have to be in one generation
	generation int32 // the newest that a member was assigned in
	in         int   // how many members are in it
	owned      []bool
	told       time.Time // when the last of them was told to join again
	assigned   chan time.Time
}

// round has the members come, the last one of them die if dies is set, and the others
// leave.
func (a *assembly) round(ctx context.Context, pids []int, dies bool) (_ figures.Sample, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	victim, kill := context.WithCancel(ctx)
	leave := make(chan struct{})
	var running sync.WaitGroup
	dead := make(chan struct{})
	defer func() {
		cancel(err)
		kill()
		running.Wait()
	}()
	left := a.members[:len(a.members)-1]
	sample := figures.Sample{}
	u, err := metered(pids, func() error {
		assigned, begun := a.await(len(a.members)), time.Now()
		running.Go(func() {
			defer close(dead)
			a.run(victim, a.members[len(left)], leave, cancel)
		})
		for _, m := range left {
			running.Go(func() { a.run(ctx, m, leave, cancel) })
		}
		at, err := receive(ctx, assigned)
		sample[gathered] = milliseconds(at.Sub(begun))
		return err
	})
	if err != nil {
		return nil, err
	}
	sample[cpuMs], sample[figures.Peak] = milliseconds(u.cpu), float64(u.peak)/mega
	if dies {
		assigned := a.await(len(left))
		kill()
		<-dead
		m := a.members[len(left)]
		m.Client.Close()
		at, err := receive(ctx, assigned)
		if err != nil {
			return nil, err
		}
		sample[afterDeath] = milliseconds(at.Sub(m.Asked.Add(m.Session)))
		sample[afterTold] = milliseconds(at.Sub(a.toldAt()))
	} else {
		left = a.members
	}
	close(leave)
	running.Wait()
	return sample, replay.Leave(ctx, left[0].Client, left[0].Group, left)
}

func receive(ctx context.Context, from <-chan time.Time) (time.Time, error) {
	select {
	case at := <-from:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

// await gives the time at which that many members have all partitions assigned in one generation, which has to be
// newer than the last.
func (a *assembly) await(members int) <-chan time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.want, a.assigned = members, make(chan time.Time, 1)
	return a.assigned
}

// run is one member, until all are to leave or ctx ends.
func (a *assembly) run(ctx context.Context, m *replay.Member, leave <-chan struct{}, failed func(error)) {
	for {
		err := m.Join(ctx)
		if err == nil {
			err = a.isAssigned(m)
		}
		for rejoin := false; err == nil && !rejoin; {
			select {
			case <-leave:
				return
			case <-ctx.Done():
				return
			case <-time.After(beatEvery):
			}
			rejoin, err = m.Heartbeat(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				failed(err)
			}
			return
		}
		a.isTold()
	}
}

// isAssigned notes what a member has been given.
func (a *assembly) isAssigned(m *replay.Member) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case m.Generation < a.generation:
		return nil // other members are in a later generation
	case m.Generation > a.generation:
		a.generation, a.in, a.owned = m.Generation, 0, make([]bool, a.partitions)
	}
	for _, p := range m.Assigned {
		if p < 0 || int(p) >= a.partitions || a.owned[p] {
			return fmt.Errorf("partition %d is assigned twice, or does not exist", p)
		}
		a.owned[p] = true
	}
	if a.in++; a.in < a.want {
		return nil
	}
	for p, owned := range a.owned {
		if !owned {
			return fmt.Errorf("partition %d is assigned to nobody", p)
		}
	}
	select {
	case a.assigned <- time.Now():
	default: // all were assigned before
	}
	return nil
}

func (a *assembly) isTold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = time.Now()
}

func (a *assembly) toldAt() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told
}
