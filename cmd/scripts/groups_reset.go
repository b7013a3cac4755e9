package scripts

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// resetAll is kafka-consumer-groups --reset-offsets.
func (g *groupsCall) resetAll(ctx context.Context) error {
	ids, err := g.ids(ctx)
	if err != nil {
		return err
	}
	described, err := g.admin.describeGroups(ctx, ids)
	if err != nil {
		return runtime(err)
	}
	result := javalib.NewHashMap[string, *tpMap[int64]](javalib.StringHash)
	for id, one := range described.All() {
		if one.err != nil {
			return runtime(one.err)
		}
		if state := named(groupStates, one.state); state != "Empty" && state != "Dead" {
			g.printError("Assignments can only be reset if the group '%s' is inactive, but the current state is %s.", id, state)
			result.Put(id, newTPMap[int64]())
			continue
		}
		offsets, err := g.resetOne(ctx, id)
		if err != nil {
			return err
		}
		result.Put(id, offsets)
	}
	if g.Has(g.export) {
		g.exportOffsets(result)
	} else {
		g.printReset(result)
	}
	return nil
}

// resetOne plans the offsets of one group, and commits them with --execute.
func (g *groupsCall) resetOne(ctx context.Context, id string) (*tpMap[int64], error) {
	parts, err := g.partitionsToReset(ctx, id)
	if err != nil {
		return nil, err
	}
	offsets, err := g.newOffsets(ctx, id, parts)
	if err != nil {
		return nil, err
	}
	if !g.Has(g.dryRun) && g.Has(g.execute) {
		if err := g.commit(ctx, id, offsets); err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

// commit commits offsets for a group without members.
func (g *groupsCall) commit(ctx context.Context, id string, offsets *tpMap[int64]) error {
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	var all kadm.Offsets
	for p, offset := range offsets.All() {
		all.AddOffset(p.Topic, p.Partition, offset, -1)
	}
	resps, err := g.admin.kadm.CommitOffsets(ctx, id, all)
	if err != nil {
		return runtime(err)
	}
	for p := range offsets.All() {
		answer, ok := resps.Lookup(p.Topic, p.Partition)
		if !ok || answer.Err == nil {
			continue
		}
		e := javalib.OfError(answer.Err)
		return runtime(&javalib.Exception{Class: e.Class, Message: "Failed altering group offsets for the following partitions: [" + p.String() + "]"})
	}
	return nil
}

// printReset prints a plan: a new line, and then all of it on one line, since that is what the script of 3.9 prints.
func (g *groupsCall) printReset(all *javalib.HashMap[string, *tpMap[int64]]) {
	const format = "%-30s %-30s %-10s %-15s"
	if all.Len() > 0 {
		g.printf("\n"+format, "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET")
	}
	for id, offsets := range all.All() {
		for p, offset := range offsets.All() {
			g.printf(format, id, p.Topic, javalib.Itoa(p.Partition), javalib.Itoa(offset))
		}
	}
}

// exportOffsets prints a plan as CSV.
func (g *groupsCall) exportOffsets(all *javalib.HashMap[string, *tpMap[int64]]) {
	single := len(g.Values(g.group)) == 1
	for id, offsets := range all.All() {
		for p, offset := range offsets.All() {
			if !single {
				g.printf("%s,", csvText(id))
			}
			g.printf("%s,%d,%d\n", csvText(p.Topic), p.Partition, offset)
		}
	}
	g.println()
}

// csvText is a text as Jackson writes it into CSV: in quotes when it is long or may need them.
func csvText(s string) string {
	const checked = 24
	if length(s) > checked || strings.ContainsFunc(s, func(r rune) bool { return r < '-' }) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// withPartitions reads topic:0,1,2.
func withPartitions(arg string) (parts []javalib.TopicPartition, err error) {
	words := javalib.Split(arg, ":")
	if len(words) != 2 {
		return nil, javalib.IllegalArgument("Invalid topic arg '" + arg + "', expected topic name and partitions")
	}
	for _, text := range javalib.Split(words[1], ",") {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, javalib.IllegalArgument("Invalid partition '" + text + "' specified in topic arg '" + arg + "''")
		}
		parts = append(parts, javalib.TopicPartition{Topic: words[0], Partition: int32(n)})
	}
	return parts, nil
}

// partitionsToReset gives the partitions that --topic or --all-topics names.
func (g *groupsCall) partitionsToReset(ctx context.Context, id string) (parts []javalib.TopicPartition, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	switch {
	case g.Has(g.allTopics):
		committed, err := g.admin.committed(ctx, id)
		if err != nil {
			return nil, runtime(err)
		}
		return committed.Keys(), nil
	case !g.Has(g.topic) && !g.Has(g.fromFile):
		return nil, usage(g.p, "One of the reset scopes should be defined: --all-topics, --topic.")
	}
	var topics []string
	for _, arg := range g.Values(g.topic) {
		if !strings.Contains(arg, ":") {
			topics = append(topics, arg)
			continue
		}
		some, err := withPartitions(arg)
		if err != nil {
			return nil, err
		}
		parts = append(parts, some...)
	}
	if len(topics) == 0 {
		return parts, nil
	}
	all, err := g.admin.describedTopics(ctx, topics, 2000)
	if err != nil {
		return nil, runtime(err)
	}
	for name, t := range all.All() {
		for _, p := range t.partitions {
			parts = append(parts, javalib.TopicPartition{Topic: name, Partition: p.number})
		}
	}
	return parts, nil
}

// newOffsets gives the offsets that a group would have.
func (g *groupsCall) newOffsets(ctx context.Context, id string, parts []javalib.TopicPartition) (*tpMap[int64], error) {
	seen := map[javalib.TopicPartition]bool{}
	for _, p := range parts {
		if seen[p] {
			return nil, &javalib.Exception{Class: "java.lang.IllegalStateException", Message: "Duplicate key " + p.String()}
		}
		seen[p] = true
	}
	switch {
	case g.Has(g.toOffset):
		to, err := g.Number(g.toOffset)
		if err != nil {
			return nil, err
		}
		wanted := newTPMap[int64]()
		for _, p := range parts {
			wanted.Put(p, to)
		}
		return g.inRange(ctx, wanted)
	case g.Has(g.toEarliest):
		return g.logOffsets(ctx, parts, atStart)
	case g.Has(g.toLatest):
		return g.logOffsets(ctx, parts, atEnd)
	case g.Has(g.shiftBy):
		return g.shifted(ctx, id, parts)
	case g.Has(g.toDatetime), g.Has(g.byDuration):
		at, err := g.moment()
		if err != nil {
			return nil, err
		}
		return g.atTime(ctx, parts, at)
	case g.Has(g.fromFile):
		return g.fromPlan(ctx, id)
	case g.Has(g.toCurrent):
		return g.current(ctx, id, parts)
	}
	var ways []string
	for _, o := range javalib.SetOf((*jopt.Option).Hash, g.ways()).Keys() {
		ways = append(ways, o.String())
	}
	return nil, usage(g.p, "Option '%s' requires one of the following scenarios: %s", g.reset, javalib.List(ways))
}

// shifted is --shift-by.
func (g *groupsCall) shifted(ctx context.Context, id string, parts []javalib.TopicPartition) (*tpMap[int64], error) {
	by, err := g.Number(g.shiftBy)
	if err != nil {
		return nil, err
	}
	committed, err := g.admin.committed(ctx, id)
	if err != nil {
		return nil, runtime(err)
	}
	wanted := newTPMap[int64]()
	for _, p := range parts {
		offset := committed.Get(p)
		if offset == nil {
			return nil, javalib.IllegalArgument("Cannot shift offset for partition " + p.String() + " since there is no current committed offset")
		}
		wanted.Put(p, *offset+by)
	}
	return g.inRange(ctx, wanted)
}

// current is --to-current: what is committed, or the end.
func (g *groupsCall) current(ctx context.Context, id string, parts []javalib.TopicPartition) (*tpMap[int64], error) {
	committed, err := g.admin.committed(ctx, id)
	if err != nil {
		return nil, runtime(err)
	}
	all := newTPMap[int64]()
	var without []javalib.TopicPartition
	for _, p := range parts {
		if offset := committed.Get(p); offset != nil {
			all.Put(p, *offset)
		} else {
			without = append(without, p)
		}
	}
	ends, err := g.logOffsets(ctx, without, atEnd)
	if err != nil {
		return nil, err
	}
	for p, end := range ends.All() {
		all.Put(p, end)
	}
	return all, nil
}

// inRange moves offsets into the range that the logs have.
func (g *groupsCall) inRange(ctx context.Context, wanted *tpMap[int64]) (*tpMap[int64], error) {
	starts, err := g.logOffsets(ctx, wanted.Keys(), atStart)
	if err != nil {
		return nil, err
	}
	ends, err := g.logOffsets(ctx, wanted.Keys(), atEnd)
	if err != nil {
		return nil, err
	}
	all := newTPMap[int64]()
	warn := func(p javalib.TopicPartition, offset, to int64, what string) {
		fmt.Fprintf(g.errs, "WARN New offset (%d) is %s offset for topic partition %s. Value will be set to %d\n", offset, what, p, to)
		all.Put(p, to)
	}
	for p, offset := range wanted.All() {
		switch {
		case offset > ends.Get(p):
			warn(p, offset, ends.Get(p), "higher than latest")
		case offset < starts.Get(p):
			warn(p, offset, starts.Get(p), "lower than earliest")
		default:
			all.Put(p, offset)
		}
	}
	return all, nil
}

// atTime gives the offsets of the first records at a time or later, or the ends.
func (g *groupsCall) atTime(ctx context.Context, parts []javalib.TopicPartition, at int64) (*tpMap[int64], error) {
	told, err := g.logOffsets(ctx, parts, at)
	if err != nil {
		return nil, err
	}
	all, without := newTPMap[int64](), newTPMap[struct{}]()
	for p, offset := range told.All() {
		if offset >= 0 {
			all.Put(p, offset)
		} else {
			without.Put(p, struct{}{})
		}
	}
	for p := range without.All() {
		g.printf("\nWarn: Partition %d from topic %s is empty. Falling back to latest known offset.\n", p.Partition, p.Topic)
	}
	ends, err := g.logOffsets(ctx, without.Keys(), atEnd)
	if err != nil {
		return nil, err
	}
	for p, end := range ends.All() {
		all.Put(p, end)
	}
	return all, nil
}

// moment is the time of --to-datetime or --by-duration, in milliseconds.
func (g *groupsCall) moment() (int64, error) {
	if g.Has(g.toDatetime) {
		text, err := g.Value(g.toDatetime)
		if err != nil {
			return 0, err
		}
		return javalib.DateTime(text)
	}
	text, err := g.Value(g.byDuration)
	if err != nil {
		return 0, err
	}
	d, err := javalib.Duration(text)
	return time.Now().Add(-d).UnixMilli(), err
}

// fromPlan is --from-file.
func (g *groupsCall) fromPlan(ctx context.Context, id string) (*tpMap[int64], error) {
	path, err := g.Value(g.fromFile)
	if err != nil {
		return nil, err
	}
	text, err := readFile(path)
	if err != nil {
		return nil, &javalib.Exception{Class: "java.lang.RuntimeException", Message: javalib.OfError(err).String()}
	}
	plans, err := g.parsePlan(text)
	if err != nil {
		return nil, &javalib.Exception{Class: "java.lang.RuntimeException", Message: err.Error()}
	}
	plan := plans[id]
	if plan == nil {
		g.printError("No reset plan for group %s found", id)
		return newTPMap[int64](), nil
	}
	return g.inRange(ctx, plan)
}

// parsePlan reads a file that --export wrote, for one group (topic,partition,offset) or for several (group first).
func (g *groupsCall) parsePlan(text string) (map[string]*tpMap[int64], error) {
	groups := g.Values(g.group)
	plans := map[string]*tpMap[int64]{}
	old := false
	for i, line := range javalib.Split(text, "\n") {
		fields, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", "the plan", i+1, err)
		}
		if i == 0 {
			old = len(groups) == 1 && len(fields) <= 3
		}
		id := ""
		switch {
		case old && len(fields) == 3:
			id = groups[0]
		case !old && len(fields) == 4:
			id, fields = fields[0], fields[1:]
		default:
			return nil, fmt.Errorf("line %d of the plan has %d fields; there are topic,partition,offset for one group and group,topic,partition,offset for several", i+1, len(fields))
		}
		number, err1 := strconv.ParseInt(fields[1], 10, 32)
		offset, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("line %d of the plan: %w", i+1, err)
		}
		if plans[id] == nil {
			plans[id] = newTPMap[int64]()
		}
		plans[id].Put(javalib.TopicPartition{Topic: fields[0], Partition: int32(number)}, offset)
	}
	return plans, nil
}

// deleteAll is kafka-consumer-groups --delete.
func (g *groupsCall) deleteAll(ctx context.Context) error {
	ids, err := g.ids(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	order := javalib.NewHashMapFor[string, struct{}](javalib.StringHash, len(ids))
	for _, id := range ids {
		order.Put(id, struct{}{})
	}
	failed, done := javalib.NewHashMap[string, error](javalib.StringHash), javalib.NewHashMap[string, struct{}](javalib.StringHash)
	told := g.admin.deleteGroups(ctx, order.Keys())
	for id := range order.All() {
		if err := told[id]; err != nil {
			failed.Put(id, javalib.Execution(err))
		} else {
			done.Put(id, struct{}{})
		}
	}
	if failed.Len() == 0 {
		g.println("Deletion of requested consumer groups ('" + strings.Join(done.Keys(), ", ") + "') was successful.")
		return nil
	}
	g.printError("Deletion of some consumer groups failed:")
	for id, err := range failed.All() {
		g.println("* Group '" + id + "' could not be deleted due to: " + javalib.OfError(err).String())
	}
	if done.Len() > 0 {
		g.println("\nThese consumer groups were deleted successfully: '" + strings.Join(done.Keys(), "'") + "', '")
	}
	return nil
}

// deleteTheirOffsets is kafka-consumer-groups --delete-offsets.
func (g *groupsCall) deleteTheirOffsets(ctx context.Context) error {
	id, err := g.Value(g.group)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	results := map[javalib.TopicPartition]error{}
	var parts []javalib.TopicPartition
	var whole []string
	for _, arg := range g.Values(g.topic) {
		if !strings.Contains(arg, ":") {
			whole = append(whole, arg)
			continue
		}
		some, err := withPartitions(arg)
		if err != nil {
			return err
		}
		parts = append(parts, some...)
	}
	topics, err := g.admin.topics(ctx, whole, 2000)
	if err != nil {
		return err
	}
	for name, t := range topics.All() {
		if t.err != nil {
			results[javalib.TopicPartition{Topic: name, Partition: -1}] = javalib.Execution(t.err)
			continue
		}
		for _, p := range t.partitions {
			parts = append(parts, javalib.TopicPartition{Topic: name, Partition: p.number})
		}
	}
	top, each := g.admin.deleteOffsets(ctx, id, parts)
	for _, p := range parts {
		results[p] = nil
		if err := each[p]; err != nil {
			results[p] = javalib.Execution(err)
		}
	}
	g.sayDeleted(id, top)
	const format = "%-30s %-15s %-15s" // all on one line, as the script of 3.9 prints it
	g.printf("\n"+format, "TOPIC", "PARTITION", "STATUS")
	keys := make([]javalib.TopicPartition, 0, len(results))
	for p := range results {
		keys = append(keys, p)
	}
	slices.SortFunc(keys, func(p, q javalib.TopicPartition) int {
		return javalib.CompareStrings(p.Topic+javalib.Itoa(p.Partition), q.Topic+javalib.Itoa(q.Partition))
	})
	for _, p := range keys {
		number, status := javalib.Itoa(p.Partition), "Successful"
		if p.Partition < 0 {
			number = "Not Provided"
		}
		if err := results[p]; err != nil {
			status = "Error: :" + err.Error()
		}
		g.printf(format, p.Topic, number, status)
	}
	return nil
}

// sayDeleted tells how the deletion of a group's offsets went.
func (g *groupsCall) sayDeleted(id string, top *javalib.Exception) {
	code := int16(0)
	if top != nil {
		code = top.Code
	}
	switch code {
	case 0:
		g.println("Request succeed for deleting offsets with topic " + strings.Join(g.Values(g.topic), ", ") + " group " + id)
	case 24:
		g.printError("'%s' is not valid.", id)
	case 69:
		g.printError("'%s' does not exist.", id)
	case 30:
		g.printError("Access to '%s' is not authorized.", id)
	case 68:
		g.printError("Deleting offsets of a consumer group '%s' is forbidden if the group is not empty.", id)
	case 86, 29, 3:
		g.printError("Encounter some partition level error, see the follow-up details:")
	default:
		g.printError("Encounter some unknown error: %s", nameOf(code))
	}
}
