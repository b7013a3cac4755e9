package scripts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// groupsScript is kafka-consumer-groups: org.apache.kafka.tools.consumer.group.ConsumerGroupCommand.
//
// As there, most that goes wrong is told on standard output and ends the script with 0.
func groupsScript() *Script {
	return &Script{Name: "kafka-consumer-groups", Does: "Lists, describes and deletes consumer groups, and resets or deletes their offsets.",
		parser: func() *jopt.Parser { return newGroupsOptions().p }, run: runGroups}
}

type groupsOptions struct {
	p *jopt.Parser
	*jopt.Set
	bootstrap, group, topic, allTopics, list, describe, allGroups, remove, timeout, commandConfig, reset, deleteOffsets,
	dryRun, execute, export, toOffset, fromFile, toDatetime, byDuration, toEarliest, toLatest, toCurrent, shiftBy,
	members, verbose, offsets, state, kind *jopt.Option
}

func newGroupsOptions() *groupsOptions {
	p := jopt.New()
	o := &groupsOptions{
		p:             p,
		bootstrap:     p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("server to connect to"),
		group:         p.Accepts("group", "The group; may be repeated.").Needs("consumer group"),
		topic:         p.Accepts("topic", "A topic, or topic:0,1,2 for some of its partitions; may be repeated.").Needs("topic"),
		allTopics:     p.Accepts("all-topics", "With --reset-offsets: all topics that the group has offsets of."),
		list:          p.Accepts("list", "List the groups."),
		describe:      p.Accepts("describe", "Describe groups: their offsets and how far behind they are."),
		allGroups:     p.Accepts("all-groups", "All groups."),
		remove:        p.Accepts("delete", "Delete groups."),
		timeout:       p.Accepts("timeout", "How long one request may take, in milliseconds.").Needs("timeout (ms)").Of(jopt.Long).Or("5000"),
		commandConfig: p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("command config property file"),
		reset:         p.Accepts("reset-offsets", "Reset the offsets of groups without members, or show what would be reset (--dry-run, the default)."),
		deleteOffsets: p.Accepts("delete-offsets", "Delete a group's offsets of topics."),
		dryRun:        p.Accepts("dry-run", "Show what would be reset, and change nothing."),
		execute:       p.Accepts("execute", "Reset the offsets."),
		export:        p.Accepts("export", "Print the offsets as CSV."),
		toOffset:      p.Accepts("to-offset", "Reset to this offset.").Needs("offset").Of(jopt.Long),
		fromFile:      p.Accepts("from-file", "Reset to the offsets in a CSV file.").Needs("path to CSV file"),
		toDatetime:    p.Accepts("to-datetime", "Reset to the first record at a time or later: YYYY-MM-DDTHH:mm:SS.sss.").Needs("datetime"),
		byDuration:    p.Accepts("by-duration", "Reset to the first record that is no older than this: PnDTnHnMnS.").Needs("duration"),
		toEarliest:    p.Accepts("to-earliest", "Reset to the start of the log."),
		toLatest:      p.Accepts("to-latest", "Reset to the end of the log."),
		toCurrent:     p.Accepts("to-current", "Reset to the offset that is committed."),
		shiftBy:       p.Accepts("shift-by", "Reset to the offset that is committed, plus this.").Needs("number-of-offsets").Of(jopt.Long),
	}
	o.members = p.Accepts("members", "Describe the groups' members.").OnlyWith(o.describe)
	o.verbose = p.Accepts("verbose", "With --members: show what is assigned to them.").OnlyWith(o.describe)
	o.offsets = p.Accepts("offsets", "Describe the groups' offsets; the default.").OnlyWith(o.describe)
	o.state = p.Accepts("state", "With --describe: describe the groups' state. With --list: show their states, or list those in some states.").May("states").OnlyWith(o.describe, o.list)
	o.kind = p.Accepts("type", "With --list: show the types of groups, or list those of some types.").May("types").OnlyWith(o.list)
	return o
}

// groupsCall is one run of kafka-consumer-groups.
type groupsCall struct {
	*call
	*groupsOptions
	admin *admin
	wait  time.Duration
}

// printError tells what is wrong where the script goes on.
func (g *groupsCall) printError(format string, args ...any) {
	g.println("\nError: " + fmt.Sprintf(format, args...))
}

func runGroups(ctx context.Context, c *call) error {
	o := newGroupsOptions()
	if err := o.read(c); err != nil {
		return err
	}
	err := o.act(ctx, c)
	stop, thrown := new(exit), new(javalib.Exception)
	switch {
	case err == nil || errors.As(err, &stop):
		return err
	case errors.As(err, &thrown) && thrown.Class == "java.lang.IllegalArgumentException":
		return usage(o.p, "%s", thrown.Message)
	}
	c.println("\nError: Executing consumer group command failed due to " + err.Error())
	return nil
}

// runtime is the message of a RuntimeException around the ExecutionException of a future.
func runtime(err error) error {
	if err == nil {
		return nil
	}
	return &javalib.Exception{Class: "java.lang.RuntimeException", Message: javalib.Execution(err).String()}
}

func (o *groupsOptions) act(ctx context.Context, c *call) error {
	wait, err := o.Number(o.timeout)
	if err != nil {
		return err
	}
	a, err := dialWith(ctx, o.Set, o.bootstrap, o.commandConfig)
	if err != nil {
		return err
	}
	defer a.close()
	g := &groupsCall{c, o, a, time.Duration(wait) * time.Millisecond}
	switch {
	case o.Has(o.list):
		return g.listAll(ctx)
	case o.Has(o.describe):
		return g.describeAll(ctx)
	case o.Has(o.remove):
		return g.deleteAll(ctx)
	case o.Has(o.reset):
		return g.resetAll(ctx)
	}
	return g.deleteTheirOffsets(ctx)
}

// read reads the command line.
func (o *groupsOptions) read(c *call) (err error) {
	if o.Set, err = c.parse(o.p, "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets."); err != nil {
		return err
	}
	if err := requireOptions(o.p, o.Set, o.bootstrap); err != nil {
		return err
	}
	someGroups := o.Has(o.group) || o.Has(o.allGroups)
	selection := o.hashed(o.group, o.allGroups)
	levels := []*jopt.Option{o.list, o.describe, o.remove, o.reset}
	if o.Has(o.describe) {
		if err := o.readDescribe(someGroups, o.hashed(levels...)); err != nil {
			return err
		}
	}
	if o.Has(o.remove) {
		if !someGroups {
			return usage(o.p, "Option %s takes one of these options: %s", o.remove, selection)
		}
		if o.Has(o.topic) {
			return usage(o.p, "The consumer does not support topic-specific offset deletion from a consumer group.")
		}
	}
	if o.Has(o.deleteOffsets) && (!o.Has(o.group) || !o.Has(o.topic)) {
		return usage(o.p, "Option %s takes the following options: %s", o.deleteOffsets, selection)
	}
	if o.Has(o.reset) {
		if err := o.readReset(c, someGroups, selection); err != nil {
			return err
		}
	}
	for _, rule := range [][]*jopt.Option{{o.group, o.allGroups}, {o.group, o.list}, {o.topic, o.list, o.describe}} {
		if err := excludeOptions(o.p, o.Set, rule[0], rule[1:]...); err != nil {
			return err
		}
	}
	actions := 0
	for _, action := range []*jopt.Option{o.list, o.describe, o.remove, o.reset, o.deleteOffsets} {
		if o.Has(action) {
			actions++
		}
	}
	if actions != 1 {
		return usage(o.p, "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets")
	}
	return nil
}

// hashed names options in the order of a HashSet of them.
func (o *groupsOptions) hashed(options ...*jopt.Option) string {
	set := javalib.SetOf((*jopt.Option).Hash, options)
	var names []string
	for _, k := range set.Keys() {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

func (o *groupsOptions) readDescribe(someGroups bool, levels string) error {
	if !someGroups {
		return usage(o.p, "Option %s takes one of these options: %s", o.describe, levels)
	}
	exclusive := []*jopt.Option{o.members, o.offsets, o.state}
	if there := slices.DeleteFunc(slices.Clone(exclusive), func(x *jopt.Option) bool { return !o.Has(x) }); len(there) > 1 {
		return usage(o.p, "Option %s takes at most one of these options: %s, %s, %s", o.describe, o.members, o.offsets, o.state)
	}
	if len(o.Values(o.state)) > 0 {
		return usage(o.p, "Option %s does not take a value for %s", o.describe, o.state)
	}
	return nil
}

func (o *groupsOptions) readReset(c *call, someGroups bool, selection string) error {
	if o.Has(o.dryRun) && o.Has(o.execute) {
		return usage(o.p, "Option %s only accepts one of %s and %s", o.reset, o.execute, o.dryRun)
	}
	if !o.Has(o.dryRun) && !o.Has(o.execute) {
		fmt.Fprintln(c.errs, "WARN: No action will be performed as the --execute option is missing."+
			"In a future major release, the default behavior of this command will be to prompt the user before "+
			"executing the reset rather than doing a dry run. You should add the --dry-run option explicitly "+
			"if you are scripting this command and want to keep the current default behavior without prompting.")
	}
	if !someGroups {
		return usage(o.p, "Option %s takes one of these options: %s", o.reset, selection)
	}
	ways := javalib.SetOf((*jopt.Option).Hash, o.ways()).Keys()
	for _, used := range []*jopt.Option{o.toOffset, o.toDatetime, o.byDuration, o.toEarliest, o.toLatest, o.toCurrent, o.shiftBy, o.fromFile} {
		if err := excludeOptions(o.p, o.Set, used, ways...); err != nil {
			return err
		}
	}
	return nil
}

// ways are the options that say where to reset offsets to.
func (o *groupsOptions) ways() []*jopt.Option {
	return []*jopt.Option{o.toOffset, o.shiftBy, o.toDatetime, o.byDuration, o.toEarliest, o.toLatest, o.toCurrent, o.fromFile}
}
