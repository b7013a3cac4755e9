package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// admin does the work of administrators until ctx ends: topics are made, grown and deleted, partitions reassigned, leaders elected, properties
// changed. Any of it may be refused or go unanswered. Of topics and their partitions, what was answered has to be so in the end.
type admin struct {
	do  *run
	r   *rand.Rand
	adm *kadm.Client

	// partitions has how many partitions each topic has at the least that was made or grown, and 0 if it was deleted. A topic of which
	// the last word was lost is not in it.
	partitions map[string]int
	made       int
}

func (do *run) administer(ctx context.Context) {
	a := &admin{do: do, r: chance(do.seed, "admin"), adm: kadm.NewClient(do.topic.Client()), partitions: map[string]int{}}
	do.admin = a
	do.administering.Go(func() {
		defer a.adm.Close()
		jobs := []func(context.Context) error{a.create, a.remove, a.grow, a.reassign, a.reassign, a.elect, a.configure}
		for sleep(time.Duration(a.r.IntN(5000))*time.Millisecond, ctx.Done()) {
			in, cancel := context.WithTimeout(ctx, 20*time.Second)
			if err := jobs[a.r.IntN(len(jobs))](in); err != nil {
				do.note("admin", "  refused or lost: %v", err)
			}
			cancel()
		}
	})
}

// some gives one of the topics that are known to be there, "" if there is none.
func (a *admin) some() string {
	var names []string
	for name, n := range a.partitions {
		if n > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return names[a.r.IntN(len(names))]
}

// become notes how many partitions a topic has after a request, or that nobody knows.
func (a *admin) become(topic string, partitions int, err error) error {
	var refused *kerr.Error
	switch {
	case err == nil:
		a.partitions[topic] = partitions
	case !errors.As(err, &refused), errors.Is(err, kerr.RequestTimedOut), errors.Is(err, kerr.UnknownServerError), // the tree did not tell what became of it
		errors.Is(err, kerr.NotController),      // the controller ended before it knew
		errors.Is(err, kerr.TopicAlreadyExists): // an earlier try, whose answer was lost, may still fail, and is undone then
		delete(a.partitions, topic)
	}
	return err
}

func (a *admin) create(ctx context.Context) error {
	a.made++
	name, partitions := fmt.Sprint("extra-", a.made), 1+a.r.IntN(4)
	a.do.note("admin", "create %s with %d partitions", name, partitions)
	_, err := a.adm.CreateTopic(ctx, int32(partitions), int16(1+a.r.IntN(3)), nil, name)
	return a.become(name, partitions, err)
}

func (a *admin) remove(ctx context.Context) error {
	name := a.some()
	if name == "" {
		return nil
	}
	a.do.note("admin", "delete %s", name)
	_, err := a.adm.DeleteTopic(ctx, name)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		err = nil
	}
	return a.become(name, 0, err)
}

func (a *admin) grow(ctx context.Context) error {
	name := a.some()
	if name == "" {
		return nil
	}
	partitions := a.partitions[name] + 1 + a.r.IntN(3)
	a.do.note("admin", "grow %s to %d partitions", name, partitions)
	resp, err := a.adm.UpdatePartitions(ctx, partitions, name)
	if err == nil {
		err = resp[name].Err
	}
	if errors.Is(err, kerr.InvalidPartitions) {
		delete(a.partitions, name) // it has as many already, by an earlier try whose answer was lost; that may still fail, and is undone then
		return nil
	}
	return a.become(name, partitions, err)
}

// reassign gives a partition of the clients' topic, or of the groups' offsets, other replicas, in another order, or the same.
func (a *admin) reassign(ctx context.Context) error {
	var req kadm.AlterPartitionAssignmentsReq
	topic, partition := a.do.topic.Name, int32(a.r.IntN(int(a.do.topic.Partitions)))
	if a.r.IntN(4) == 0 {
		topic, partition = "__consumer_offsets", int32(a.r.IntN(2))
	}
	var to []int32
	for _, i := range a.r.Perm(len(a.do.nodes))[:3] {
		to = append(to, a.do.nodes[i].id)
	}
	if a.r.IntN(5) == 0 {
		to = nil // takes a reassignment back
	}
	a.do.note("admin", "reassign %s-%d to %v", topic, partition, to)
	req.Assign(topic, partition, to)
	resp, err := a.adm.AlterPartitionAssignments(ctx, req)
	if err == nil {
		err = resp.Error()
	}
	return err
}

func (a *admin) elect(ctx context.Context) error {
	a.do.note("admin", "elect preferred leaders")
	_, err := a.adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil)
	return err
}

func (a *admin) configure(ctx context.Context) error {
	value := fmt.Sprint(pick(a.r, 5000, 20_000, 1_000_000))
	a.do.note("admin", "segment.bytes of %s is to be %s", a.do.topic.Name, value)
	resp, err := a.adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "segment.bytes", Value: &value}}, a.do.topic.Name)
	if err == nil {
		_, err = resp.On(a.do.topic.Name, nil)
	}
	return err
}

// check compares the topics in the tree with what administrators were told. There may be more partitions: a request that was refused when it was sent again may
// have been carried out the first time.
func (a *admin) check() {
	a.do.forest.known.Lock()
	defer a.do.forest.known.Unlock()
	for name, want := range a.partitions {
		got := 0
		if t := a.do.forest.topics[name]; t != nil {
			got = len(t.Partitions)
		}
		if got < want || want == 0 && got > 0 {
			a.do.wrong("topic %s has %d partitions, and an administrator was told of %d", name, got, want)
		}
	}
}
