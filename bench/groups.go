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

// sessionTimeout is of members one of which dies: the smallest that a broker takes by default. A miniature has it shorter.
const sessionTimeout = 6 * time.Second

// beatEvery is from one heartbeat of such a member to the next. Clients have it at 3 s, and it is a heartbeat that tells a
// member of a rebalance: they would wait for that and for nothing else.
const beatEvery = 100 * time.Millisecond

// gathering is a load in which the members of one group come at once and, if one is to die, share its work.
type gathering struct {
	part int // one for so many of -members
	dies bool
}

func (g gathering) open(ctx context.Context, s *subject) (*session, error) {
	b := s.target.(*broker)
	topic, partitions := topicName(), max(1, s.partitions/10)
	if err := b.makeTopic(ctx, topic, partitions, nil); err != nil {
		return nil, err
	}
	// Once for nothing: what warms a JVM up is records.
	if _, err := g.round(ctx, s, topic, partitions, false); err != nil {
		return nil, err
	}
	return &session{
		close: func(ctx context.Context) error { return b.dropTopic(ctx, topic) },
		round: func(ctx context.Context) (figures.Sample, error) { return g.round(ctx, s, topic, partitions, g.dies) },
	}, nil
}

// round has a group of its own.
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
	sample, err := a.round(ctx, b.pid(), dies)
	return sample, errors.Join(err, deleteGroups(ctx, b.admin, group))
}

// deleteGroups deletes those of the groups that there are: with little work not every one has been used.
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
	want       int   // how many are to be in one generation
	generation int32 // the newest that a member was assigned in
	in         int   // how many members are in it
	owned      []bool
	told       time.Time // when the last of them was told to join again
	assigned   chan time.Time
}

// round has the members come, the last one of them die if one is to, and the others leave.
func (a *assembly) round(ctx context.Context, pid int, dies bool) (_ figures.Sample, err error) {
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
	u, err := metered(pid, func() error {
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

// await gives when so many members have been assigned all partitions in one generation, which is to be a newer one.
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
		return nil // others are further
	case m.Generation > a.generation:
		a.generation, a.in, a.owned = m.Generation, 0, make([]bool, a.partitions)
	}
	for _, p := range m.Assigned {
		if p < 0 || int(p) >= a.partitions || a.owned[p] {
			return fmt.Errorf("partition %d is assigned twice, or is none", p)
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
	default: // it was so before
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
