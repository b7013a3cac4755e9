package scripts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"klamm/cmd/scripts/javalib"
)

// missing is what a column without a value shows.
const missing = "-"

// The names of states and types, as the scripts print them.
var (
	groupStates = []string{"PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"}
	groupTypes  = []string{"Consumer", "Classic"}
)

// named gives the name among names that a text stands for, whatever its case; Unknown for none.
func named(names []string, text string) string {
	for _, name := range names {
		if strings.EqualFold(name, text) {
			return name
		}
	}
	return "Unknown"
}

// length is String.length.
func length(s string) int { return len(utf16.Encode([]rune(s))) }

// filter reads a list of states or types.
func filter(what, text string, names []string) ([]string, error) {
	var all []string
	for _, word := range javalib.Split(text, ",") {
		name := named(names, strings.TrimSpace(word))
		if name == "Unknown" {
			return nil, javalib.IllegalArgument(fmt.Sprintf("Invalid %s list '%s'. Valid %s are: %s", what, text, strings.TrimSuffix(what, "s")+"s", strings.Join(names, ", ")))
		}
		all = append(all, name)
	}
	return all, nil
}

// listAll is kafka-consumer-groups --list.
func (g *groupsCall) listAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	if !g.Has(g.kind) && !g.Has(g.state) {
		all, err := g.admin.listGroups(ctx, nil, nil)
		for _, one := range all {
			g.println(one.id)
		}
		return runtime(err)
	}
	var kinds, states []string
	text, err := g.Value(g.kind)
	if err == nil && text != "" {
		if kinds, err = filter("types", strings.ToLower(text), groupTypes); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if text, err = g.Value(g.state); err == nil && text != "" {
		if states, err = filter("state", text, groupStates); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	all, err := g.admin.listGroups(ctx, states, kinds)
	if err != nil {
		return javalib.Execution(err)
	}
	width := 15
	for _, one := range all {
		width = max(width, length(one.id))
	}
	row := func(id, kind, state string) {
		g.printf("%-*s", width+10, id)
		if g.Has(g.kind) {
			g.printf(" %-20s", kind)
		}
		if g.Has(g.state) {
			g.printf(" %-20s", state)
		}
		g.println()
	}
	row("GROUP", "TYPE", "STATE")
	for _, one := range all {
		row(one.id, named(groupTypes, one.kind), named(groupStates, one.state))
	}
	return nil
}

// ids gives the groups that --group or --all-groups names.
func (g *groupsCall) ids(ctx context.Context) ([]string, error) {
	if !g.Has(g.allGroups) {
		return g.Values(g.group), nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	all, err := g.admin.listGroups(ctx, nil, nil)
	var ids []string
	for _, one := range all {
		ids = append(ids, one.id)
	}
	return ids, runtime(err)
}

// described describes groups, and ends with the first error.
func (g *groupsCall) described(ctx context.Context, ids []string) (*javalib.HashMap[string, *group], error) {
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	all, err := g.admin.describeGroups(ctx, ids)
	if err != nil {
		return nil, javalib.Execution(err)
	}
	for _, one := range all.All() {
		if one.err != nil {
			return nil, javalib.Execution(one.err)
		}
	}
	return all, nil
}

// describeAll is kafka-consumer-groups --describe.
func (g *groupsCall) describeAll(ctx context.Context) error {
	ids, err := g.ids(ctx)
	if err != nil {
		return err
	}
	all, err := g.described(ctx, ids)
	if err != nil {
		return err
	}
	sorted := slices.SortedFunc(slices.Values(all.Keys()), javalib.CompareStrings)
	var rows [][]offsetRow
	if !g.Has(g.members) && !g.Has(g.state) {
		for _, id := range all.Keys() {
			of, err := g.offsetRows(ctx, all.Get(id))
			if err != nil {
				return err
			}
			rows = append(rows, of)
		}
	}
	for _, id := range sorted {
		one := all.Get(id)
		switch {
		case g.Has(g.members):
			err = g.printMembers(one)
		case g.Has(g.state):
			err = g.printState(one)
		default:
			err = g.printOffsets(one, rows[slices.Index(all.Keys(), id)])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shows says whether there is anything to show of a group, and tells what state it is in.
func (g *groupsCall) shows(one *group, rows int) (bool, error) {
	switch state := named(groupStates, one.state); state {
	case "Dead":
		g.printError("Consumer group '%s' does not exist.", one.id)
		return false, nil
	case "Empty":
		fmt.Fprintf(g.errs, "\nConsumer group '%s' has no active members.\n", one.id)
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		fmt.Fprintf(g.errs, "\nWarning: Consumer group '%s' is rebalancing.\n", one.id)
	case "Stable":
	default:
		return false, &javalib.Exception{Class: "org.apache.kafka.common.KafkaException", Message: "Expected a valid consumer group state, but found '" + state + "'."}
	}
	return rows > 0, nil
}

// offsetRow is a row of --describe --offsets. Offsets are nil where there is none.
type offsetRow struct {
	at                     javalib.TopicPartition
	current, end           *int64
	consumer, host, client string
}

// offsetRows gives the rows of a group: those of its members, who has most partitions first, and those of nobody.
func (g *groupsCall) offsetRows(ctx context.Context, one *group) ([]offsetRow, error) {
	fetch, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	committed, err := g.admin.committed(fetch, one.id)
	if err != nil {
		return nil, runtime(err)
	}
	members := slices.DeleteFunc(slices.Clone(one.members), func(m member) bool { return m.assigned.Len() == 0 })
	slices.SortStableFunc(members, func(m, n member) int { return cmp.Compare(n.assigned.Len(), m.assigned.Len()) })
	var rows []offsetRow
	assigned := map[javalib.TopicPartition]bool{}
	for _, m := range members {
		for _, p := range m.assigned.Keys() {
			assigned[p] = true
		}
		its, err := g.partitionRows(ctx, m.assigned.Keys(), committed, m.id, m.host, m.client)
		if err != nil {
			return nil, err
		}
		rows = append(rows, its...)
	}
	rest := newTPMap[struct{}]()
	for _, p := range committed.Keys() {
		if !assigned[p] {
			rest.Put(p, struct{}{})
		}
	}
	if rest.Len() > 0 {
		its, err := g.partitionRows(ctx, rest.Keys(), committed, missing, missing, missing)
		if err != nil {
			return nil, err
		}
		rows = append(rows, its...)
	}
	return rows, nil
}

func (g *groupsCall) partitionRows(ctx context.Context, parts []javalib.TopicPartition, committed *tpMap[*int64], consumer, host, client string) (rows []offsetRow, err error) {
	slices.SortStableFunc(parts, func(p, q javalib.TopicPartition) int { return cmp.Compare(p.Partition, q.Partition) })
	ends, err := g.logOffsets(ctx, parts, atEnd)
	if err != nil {
		return nil, err
	}
	for p, end := range ends.All() {
		rows = append(rows, offsetRow{p, committed.Get(p), &end, consumer, host, client})
	}
	return rows, nil
}

// logOffsets gives offsets of logs; any error ends the script.
func (g *groupsCall) logOffsets(ctx context.Context, parts []javalib.TopicPartition, at int64) (*tpMap[int64], error) {
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	told, err := g.admin.listOffsets(ctx, parts, at)
	if err != nil {
		return nil, runtime(err)
	}
	all := newTPMap[int64]()
	for p, answer := range told.All() {
		if answer.err != nil {
			return nil, runtime(answer.err)
		}
		all.Put(p, answer.offset)
	}
	return all, nil
}

// number is a column of a number.
func number(n *int64) string {
	if n == nil {
		return missing
	}
	return javalib.Itoa(*n)
}

func (g *groupsCall) printOffsets(one *group, rows []offsetRow) error {
	if shown, err := g.shows(one, len(rows)); !shown || err != nil {
		return err
	}
	groupWidth, topicWidth, consumerWidth, hostWidth := max(15, length(one.id)), 15, 15, 15
	for _, r := range rows {
		topicWidth, consumerWidth, hostWidth = max(topicWidth, length(r.at.Topic)), max(consumerWidth, length(r.consumer)), max(hostWidth, length(r.host))
	}
	line := func(topic, partition, current, end, lag, consumer, host, client string, id string) {
		g.printf("\n%-*s %-*s %-10s %-15s %-15s %-15s %-*s %-*s %s", groupWidth, id, topicWidth, topic, partition, current, end, lag, consumerWidth, consumer, hostWidth, host, client)
	}
	line("TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID", "GROUP")
	for _, r := range rows {
		var lag *int64
		if r.current != nil && *r.current != -1 && r.end != nil {
			behind := *r.end - *r.current
			lag = &behind
		}
		line(r.at.Topic, javalib.Itoa(r.at.Partition), number(r.current), number(r.end), number(lag), r.consumer, r.host, r.client, one.id)
	}
	return nil
}

func (g *groupsCall) printMembers(one *group) error {
	shown, err := g.shows(one, len(one.members))
	if err != nil {
		return err
	}
	groupWidth, consumerWidth, instanceWidth, hostWidth, clientWidth := 15, 15, 17, 15, 15
	instances := false
	if shown {
		for _, m := range one.members {
			groupWidth, consumerWidth, instanceWidth = max(groupWidth, length(one.id)), max(consumerWidth, length(m.id)), max(instanceWidth, length(m.instance))
			hostWidth, clientWidth = max(hostWidth, length(m.host)), max(clientWidth, length(m.client))
			instances = instances || m.instance != ""
		}
	}
	row := func(id, consumer, instance, host, client, partitions string) {
		g.printf("%-*s %-*s ", groupWidth, id, consumerWidth, consumer)
		if instances {
			g.printf("%-*s ", instanceWidth, instance)
		}
		g.printf("%-*s %-*s %-15s ", hostWidth, host, clientWidth, client, partitions)
	}
	g.printf("\n")
	row("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS")
	if g.Has(g.verbose) {
		g.printf("ASSIGNMENT")
	}
	g.println()
	for _, m := range one.members {
		row(one.id, m.id, m.instance, m.host, m.client, javalib.Itoa(m.assigned.Len()))
		if g.Has(g.verbose) {
			g.printf("%s", assignment(m.assigned.Keys()))
		}
		g.println()
	}
	return nil
}

// assignment shows partitions by topic, without the topics' names, as the script does.
func assignment(parts []javalib.TopicPartition) string {
	var topics []string
	for _, numbers := range byTopic(parts) {
		var texts []string
		for _, n := range numbers {
			texts = append(texts, javalib.Itoa(n))
		}
		slices.Sort(texts)
		topics = append(topics, "("+strings.Join(texts, ",")+")")
	}
	if len(topics) == 0 {
		return missing
	}
	slices.Sort(topics)
	return strings.Join(topics, ", ")
}

func (g *groupsCall) printState(one *group) error {
	if shown, err := g.shows(one, 1); !shown || err != nil {
		return err
	}
	coordinator := fmt.Sprintf("%s:%d  (%d)", one.coordinator.host, one.coordinator.port, one.coordinator.id)
	line := func(id, coordinator2, assignor, state, members string) {
		g.printf("\n%-*s %-25s %-20s %-15s %s", max(25, length(coordinator)), id, coordinator2, assignor, state, members)
	}
	line("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS")
	line(one.id, coordinator, one.assignor, named(groupStates, one.state), javalib.Itoa(len(one.members)))
	g.println()
	return nil
}
