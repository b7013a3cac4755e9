package reassign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cmd/reassign/plan"
)

const (
	defaultIncoming = 10
	defaultPoll     = 500 * time.Millisecond
	// atOnce is how many partitions one request names at most.
	atOnce = 1000
	// livingEvery is how often the brokers are asked for, in polls.
	livingEvery = 20
	// cleanUp bounds each request that removes throttles, which is asked after an interruption too.
	cleanUp = 30 * time.Second
	// topicsAtOnce is how many topics one such request names at most: a broker of Apache Kafka writes to ZooKeeper several times for each.
	topicsAtOnce = 100
	// settle is how long brokers may take to hear that a move has ended.
	settle = 30 * time.Second
)

// ErrInterrupted is in the chain of the error after an interruption.
var ErrInterrupted = errors.New("interrupted")

type runner struct {
	Options
	api
	done, all int
	said      string  // the last line of progress
	died      []int32 // brokers that were last named as dead
}

func (r *runner) say(format string, args ...any) { fmt.Fprintf(r.Progress, format+"\n", args...) }

// run plans and carries the plan out. Where reassignments of others were under way, it waits for them too, and plans again.
func (r *runner) run(ctx context.Context, j job) error {
	r.Incoming = cmp.Or(r.Incoming, defaultIncoming)
	r.Poll = cmp.Or(r.Poll, defaultPoll)
	sayThrottles(ctx, r, r.Options)
	for {
		v, err := r.look(ctx)
		if err != nil {
			return err
		}
		if err := v.exclude(r.Exclude); err != nil {
			return err
		}
		if r.IgnoreRacks {
			for i := range v.brokers {
				v.brokers[i].Rack = ""
			}
		}
		if n := len(v.underWay); n > 0 {
			r.say("%d partitions are being reassigned already, and are left alone: %s", n, some(sorted(v.underWay)))
		}
		r.sayDead(v)
		if v.unsized != nil {
			r.say("bytes are counted without those that brokers do not tell: %v", v.unsized)
		}
		moves, left, err := j.plan(v)
		if err != nil {
			return err
		}
		if j.note != nil {
			if text := j.note(v); text != "" {
				r.say("%s", text)
			}
		}
		failed := map[tp]error{}
		for _, l := range left {
			failed[tp{l.Topic, l.Partition}] = fmt.Errorf("it stays as it is: %s", l.Why)
		}
		if r.Throttle > 0 && copies(moves) > 0 && len(v.underWay) > 0 && !r.DryRun {
			return misuse("--throttle would change, and at the end remove, the throttles of the %d reassignments under way: wait for their end, cancel them with klamm cluster cancel, or leave --throttle out", len(v.underWay))
		}
		if err := r.keepsMinInSync(ctx, moves); err != nil {
			return err
		}
		for at, why := range stuck(v) {
			failed[at] = why
			delete(v.underWay, at) // nobody waits for it
		}
		known := len(failed)
		elect := electable(v, moves, j)
		if r.DryRun {
			return errors.Join(writePlan(r.Out, v, moves, len(elect)), r.failures(failed))
		}
		if len(moves)+len(elect)+len(v.underWay) == 0 {
			if known == 0 {
				r.say("nothing to do")
			}
			return r.failures(failed)
		}
		if err := r.carry(ctx, v, moves, elect, failed); err != nil {
			return errors.Join(err, r.failures(failed))
		}
		if len(v.underWay) == 0 || len(failed) > known {
			err := r.failures(failed)
			if err == nil {
				r.say("done")
			}
			return err
		}
	}
}

// stuck gives the reassignments of others that do not end as long as brokers are dead, or log directories offline.
func stuck(v *view) map[tp]error {
	all := map[tp]error{}
	for _, p := range v.parts {
		at := tp{p.Topic, p.ID}
		if !v.underWay[at] {
			continue
		}
		for _, id := range p.Replicas {
			why := ""
			switch {
			case !v.alive(id):
				why = fmt.Sprintf("while broker %d is not alive: start that", id)
			case slices.Contains(p.Offline, id):
				why = fmt.Sprintf("while its log directory on broker %d is offline: mend that", id)
			default:
				continue
			}
			all[at] = fmt.Errorf("its reassignment to %v, which somebody else began, cannot end %s, or cancel the reassignment with klamm cluster cancel", p.Replicas, why)
			break
		}
	}
	return all
}

// sayDead names brokers that have replicas and are not alive, or have them in log directories that are offline.
func (r *runner) sayDead(v *view) {
	dead, offline := map[int32]int{}, map[int32]int{}
	for _, p := range v.parts {
		for _, id := range p.Replicas {
			if !v.alive(id) {
				dead[id]++
			}
		}
		for _, id := range p.Offline {
			offline[id]++
		}
	}
	for _, id := range sortedIDs(offline) {
		r.say("broker %d has %d replicas in log directories that are offline: rebalance leaves their partitions as they are; mend the disk, or drain the broker", id, offline[id])
	}
	for _, id := range sortedIDs(dead) {
		r.say("broker %d is not alive and has %d replicas: rebalance leaves their partitions as they are; start it, or drain it", id, dead[id])
	}
}

// keepsMinInSync refuses to leave a topic fewer replicas than have to be in sync for it to be written to.
func (r *runner) keepsMinInSync(ctx context.Context, moves []plan.Move) error {
	fewer := map[string]int{}
	var topics []string
	for _, m := range moves {
		if len(m.To) < len(m.From) {
			if _, seen := fewer[m.Topic]; !seen {
				topics = append(topics, m.Topic)
			}
			fewer[m.Topic] = len(m.To)
		}
	}
	if len(topics) == 0 {
		return nil
	}
	least, err := r.minInSync(ctx, topics)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if least[t] > fewer[t] {
			return misuse("topic %q has min.insync.replicas=%d: with %d replicas producers with acks=all could not write to it", t, least[t], fewer[t])
		}
	}
	return nil
}

// electable are the partitions that are to be led by their first replica: those that move, and of the others those that the job wants and that somebody else leads.
func electable(v *view, moves []plan.Move, j job) (all []tp) {
	first := map[tp]int32{}
	for _, m := range moves {
		first[tp{m.Topic, m.Partition}] = m.To[0]
	}
	for _, p := range v.parts {
		at := tp{p.Topic, p.ID}
		to, moved := first[at]
		if !moved {
			to = p.Replicas[0]
			if p.Fixed || !j.elect || !slices.Contains(p.InSync, to) {
				continue
			}
		}
		if v.leaders[at] != to {
			all = append(all, at)
		}
	}
	return all
}

// carry makes moves, a few at a time, and has the first replicas lead. Moves that fail it adds to failed. When ctx ends it asks for no more, and what is
// under way goes on.
func (r *runner) carry(ctx context.Context, v *view, moves []plan.Move, elect []tp, failed map[tp]error) (err error) {
	r.done, r.all = 0, len(moves)
	throttled := r.Throttle > 0 && copies(moves) > 0
	defer func() {
		if ctx.Err() != nil {
			if errors.Is(err, ctx.Err()) {
				err = nil // it says no more than that
			}
			err = errors.Join(r.interrupted(), err)
		}
		if throttled {
			if ctx.Err() != nil {
				r.say("the throttles are being removed; a second Ctrl-C ends the command before that, and leaves them")
			}
			err = errors.Join(err, r.unthrottle(context.WithoutCancel(ctx), v, moves))
		}
	}()
	if throttled {
		if err := r.throttle(ctx, v, moves); err != nil {
			return err
		}
	}
	waiting, active := slices.Clone(moves), map[tp]plan.Move{}
	for polls := 1; ; polls++ {
		batch := r.next(&waiting, active)
		if len(batch) > 0 {
			refused, err := r.assign(ctx, batch)
			if err != nil {
				return err
			}
			for at, why := range refused {
				failed[at] = why
				delete(active, at)
			}
		}
		moving, err := r.underWay(ctx)
		if err != nil {
			return err
		}
		for at := range active {
			if _, on := moving[at]; !on {
				delete(active, at)
				r.done++
			}
		}
		others := 0
		for at := range v.underWay {
			if _, on := moving[at]; on {
				others++
			}
		}
		r.sayProgress(len(active), len(waiting), others)
		if len(waiting)+len(active)+others == 0 {
			break
		}
		if polls%livingEvery == 0 {
			r.sayDied(ctx, active)
		}
		if err := pause(ctx, r.Poll); err != nil {
			return err
		}
	}
	if err := r.settle(ctx, moves, failed); err != nil {
		return fmt.Errorf("no reassignment of this command is under way any more, but how they ended is not known: %w", err)
	}
	return r.lead(ctx, elect, failed)
}

// next takes moves that may begin now from those that wait: no broker receives more than so many at a time.
func (r *runner) next(waiting *[]plan.Move, active map[tp]plan.Move) map[tp][]int32 {
	incoming := map[int32]int{}
	for _, m := range active {
		for _, id := range m.Added() {
			incoming[id]++
		}
	}
	batch := map[tp][]int32{}
	*waiting = slices.DeleteFunc(*waiting, func(m plan.Move) bool {
		added := m.Added()
		if len(batch) == atOnce || slices.ContainsFunc(added, func(id int32) bool { return incoming[id] >= r.Incoming }) {
			return false
		}
		for _, id := range added {
			incoming[id]++
		}
		at := tp{m.Topic, m.Partition}
		batch[at], active[at] = m.To, m
		return true
	})
	return batch
}

func (r *runner) sayProgress(active, waiting, others int) {
	line := fmt.Sprintf("%d of %d partitions are reassigned, %d are under way, %d wait", r.done, r.all, active, waiting)
	if others > 0 {
		line += fmt.Sprintf("; %d reassignments from before are under way", others)
	}
	if line != r.said && r.all+others > 0 {
		r.say("%s", line)
		r.said = line
	}
}

// sayDied names the brokers that died since the moves were planned, and for which moves under way wait. They may come back, so the command waits too.
func (r *runner) sayDied(ctx context.Context, active map[tp]plan.Move) {
	alive, err := r.living(ctx)
	if err != nil {
		return // whoever asks next hears of that
	}
	waits := map[int32]int{}
	for _, m := range active {
		for _, id := range m.To {
			if !slices.Contains(alive, id) {
				waits[id]++
			}
		}
	}
	if died := sortedIDs(waits); !slices.Equal(died, r.died) {
		for _, id := range died {
			r.say("broker %d is not alive any more, and %d partitions under way wait for it: start it, or end this command and cancel what is under way with klamm cluster cancel --bootstrap-server %s",
				id, waits[id], r.seeds())
		}
		r.died = died
	}
}

// settle waits until the brokers say that the moves have ended as planned. One that has not was cancelled or replaced by somebody else. The error is why
// the brokers could not be asked in the end.
func (r *runner) settle(ctx context.Context, moves []plan.Move, failed map[tp]error) error {
	late, stop := context.WithTimeout(ctx, settle)
	defer stop()
	left := map[tp]plan.Move{}
	for _, m := range moves {
		if at := (tp{m.Topic, m.Partition}); failed[at] == nil {
			left[at] = m
		}
	}
	for len(left) > 0 {
		now, err := r.replicas(late)
		if err == nil {
			for at, m := range left {
				if replicas, exists := now[at]; !exists {
					failed[at] = kerr.UnknownTopicOrPartition
					delete(left, at)
				} else if slices.Equal(m.To, replicas) {
					delete(left, at)
				}
			}
		}
		if len(left) > 0 && pause(late, r.Poll) != nil {
			if ctx.Err() != nil || err != nil {
				return cmp.Or(err, ctx.Err())
			}
			for at := range left {
				failed[at] = errors.New("somebody else cancelled or changed its reassignment")
			}
			return nil
		}
	}
	return nil
}

// lead has the first replicas of partitions lead.
func (r *runner) lead(ctx context.Context, parts []tp, failed map[tp]error) error {
	parts = slices.DeleteFunc(parts, func(at tp) bool { return failed[at] != nil })
	elected := len(parts)
	for chunk := range slices.Chunk(parts, atOnce) {
		refused, err := r.elect(ctx, chunk)
		if err != nil {
			return err
		}
		for at, why := range refused {
			if !errors.Is(why, kerr.ElectionNotNeeded) {
				failed[at] = fmt.Errorf("its first replica does not lead: %w", why)
				elected--
			}
		}
	}
	if len(parts) > 0 {
		r.say("the first replica was elected in %d partitions", elected)
	}
	return nil
}

// failures makes one error of all. A topic that was deleted meanwhile is none.
func (r *runner) failures(failed map[tp]error) error {
	var errs []error
	more := 0
	for _, at := range sorted(failed) {
		if errors.Is(failed[at], kerr.UnknownTopicOrPartition) {
			r.say("%s is deleted or being deleted, and is passed over", at)
			continue
		}
		if len(errs) == 10 {
			more++
			continue
		}
		errs = append(errs, fmt.Errorf("%s: %w", at, failed[at]))
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("and %d partitions more", more))
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New("not everything went as planned; the same command plans again from what there is"))
	}
	return errors.Join(errs...)
}

// interrupted says what goes on after an interruption.
func (r *runner) interrupted() error {
	again := "The same command"
	if r.Throttle > 0 {
		again = "When that has ended, the same command"
	}
	return fmt.Errorf("%w: what is under way goes on, and %d of %d partitions were reassigned. %s goes on from there; klamm cluster cancel --bootstrap-server %s cancels what is under way",
		ErrInterrupted, r.done, r.all, again, r.seeds())
}

// pause waits, or until ctx ends. Where both are so, ctx counts: nothing more is asked for after an interruption.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return ctx.Err()
	}
}

func copies(moves []plan.Move) (n int) {
	for _, m := range moves {
		n += len(m.Added())
	}
	return n
}
