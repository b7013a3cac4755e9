package scripts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// reassignScript is kafka-reassign-partitions: org.apache.kafka.tools.reassign.ReassignPartitionsCommand.
//
// What goes wrong is told on standard output, as there, but without the stack trace behind it.
func reassignScript() *Script {
	return &Script{Name: "kafka-reassign-partitions", Does: "Moves replicas between brokers and log directories. klamm cluster does so too, a few at a time.",
		Differs: "behind an error on standard output there is no stack trace. --generate chooses at random where it begins, as Kafka's does.",
		parser:  func() *jopt.Parser { return newReassignOptions().p }, run: runReassign}
}

type reassignOptions struct {
	p *jopt.Parser
	*jopt.Set
	verify, generate, execute, cancel, list, bootstrap, commandConfig, file, topics, brokers, noRacks, throttle, dirThrottle, timeout,
	additional, preserve *jopt.Option
}

func newReassignOptions() *reassignOptions {
	p := jopt.New()
	return &reassignOptions{
		p:             p,
		verify:        p.Accepts("verify", "Say how far the reassignment in the file is. Throttles are removed when it is over."),
		generate:      p.Accepts("generate", "Print a reassignment of topics to brokers. Nothing is changed."),
		execute:       p.Accepts("execute", "Begin the reassignment in the file."),
		cancel:        p.Accepts("cancel", "Cancel the reassignment in the file."),
		list:          p.Accepts("list", "List the reassignments under way."),
		bootstrap:     p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("Server(s) to use for bootstrapping"),
		commandConfig: p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("Admin client property file"),
		file:          p.Accepts("reassignment-json-file", "The file with the reassignment.").Needs("manual assignment json file path"),
		topics:        p.Accepts("topics-to-move-json-file", "With --generate: the file with the topics.").Needs("topics to reassign json file path"),
		brokers:       p.Accepts("broker-list", "With --generate: the brokers, 0,1,2.").Needs("brokerlist"),
		noRacks:       p.Accepts("disable-rack-aware", "With --generate: as if no broker had a rack."),
		throttle:      p.Accepts("throttle", "With --execute: bytes a second that brokers may send each other for this.").Needs("throttle").Of(jopt.Long).Or("-1"),
		dirThrottle:   p.Accepts("replica-alter-log-dirs-throttle", "With --execute: bytes a second that may be copied between directories.").Needs("replicaAlterLogDirsThrottle").Of(jopt.Long).Or("-1"),
		timeout:       p.Accepts("timeout", "How long to wait until moves between directories begin, in milliseconds.").Needs("timeout").Of(jopt.Long).Or("10000"),
		additional:    p.Accepts("additional", "With --execute: also while other reassignments are under way, and to change the throttle."),
		preserve:      p.Accepts("preserve-throttles", "With --verify and --cancel: leave throttles as they are."),
	}
}

// reassignCall is one run of kafka-reassign-partitions.
type reassignCall struct {
	*call
	*reassignOptions
	admin *admin
}

func runReassign(ctx context.Context, c *call) error {
	o := newReassignOptions()
	if err := o.read(c); err != nil {
		return err
	}
	err := o.act(ctx, c)
	stop, thrown := new(exit), new(javalib.Exception)
	switch {
	case err == nil || errors.As(err, &stop):
		return err
	case errors.As(err, &thrown) && strings.HasSuffix(thrown.Class, ".TerseException"):
		c.println(err.Error())
	default:
		c.println("Error: " + err.Error())
	}
	return &exit{1, ""}
}

// read reads the command line.
func (o *reassignOptions) read(c *call) (err error) {
	if o.Set, err = c.parse(o.p, "This tool helps to move topic partitions between replicas."); err != nil {
		return err
	}
	var actions []*jopt.Option
	for _, action := range []*jopt.Option{o.generate, o.execute, o.verify, o.cancel, o.list} {
		if o.Has(action) {
			actions = append(actions, action)
		}
	}
	if len(actions) != 1 {
		return usage(o.p, "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list")
	}
	if !o.Has(o.bootstrap) {
		return usage(o.p, "Please specify --bootstrap-server")
	}
	needed := map[*jopt.Option][]*jopt.Option{o.verify: {o.file}, o.generate: {o.topics, o.brokers}, o.execute: {o.file}, o.cancel: {o.file}}[actions[0]]
	if err := requireOptions(o.p, o.Set, needed...); err != nil {
		return err
	}
	allowed := map[*jopt.Option][]*jopt.Option{
		o.verify:   {o.preserve},
		o.generate: {o.noRacks},
		o.execute:  {o.additional, o.throttle, o.dirThrottle, o.timeout},
		o.cancel:   {o.preserve, o.timeout},
	}[actions[0]]
	allowed = append(append(allowed, needed...), o.bootstrap, o.commandConfig, actions[0])
	for _, used := range o.Order() {
		if !slices.Contains(allowed, used) {
			return usage(o.p, "Option \"%s\" can't be used with action \"%s\"", used, actions[0])
		}
	}
	return nil
}

// text reads the file that an option names.
func (o *reassignOptions) text(option *jopt.Option) (string, error) {
	path, err := o.Value(option)
	if err != nil {
		return "", err
	}
	return readFile(path)
}

func (o *reassignOptions) act(ctx context.Context, c *call) error {
	a, err := dialWith(ctx, o.Set, o.bootstrap, o.commandConfig, kgo.ClientID("reassign-partitions-tool"))
	if err != nil {
		return err
	}
	defer a.close()
	r := &reassignCall{c, o, a}
	if o.Has(o.list) {
		return r.listAll(ctx)
	}
	if o.Has(o.generate) {
		return r.generatePlan(ctx)
	}
	text, err := o.text(o.file)
	if err != nil {
		return err
	}
	plan, err := parseReassignment(text)
	if err != nil {
		return err
	}
	switch {
	case o.Has(o.verify):
		return r.verifyPlan(ctx, plan)
	case o.Has(o.execute):
		return r.executePlan(ctx, plan)
	}
	return r.cancelPlan(ctx, plan)
}

// listAll is --list.
func (r *reassignCall) listAll(ctx context.Context) error {
	all, err := r.admin.reassignments(ctx, nil)
	if err != nil {
		return javalib.Execution(err)
	}
	if len(all) == 0 {
		r.println("No partition reassignments found.")
		return nil
	}
	r.println("Current partition reassignments:")
	for _, p := range sortedPartitions(all) {
		line := p.String() + ": replicas: " + javalib.Join(all[p].replicas, ",") + "."
		if len(all[p].adding) > 0 {
			line += " adding: " + javalib.Join(all[p].adding, ",") + "."
		}
		if len(all[p].removing) > 0 {
			line += " removing: " + javalib.Join(all[p].removing, ",") + "."
		}
		r.println(line)
	}
	return nil
}

// sortedPartitions gives the partitions that are keys of a map, by topic and number.
func sortedPartitions[V any](all map[javalib.TopicPartition]V) []javalib.TopicPartition {
	var parts []javalib.TopicPartition
	for p := range all {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, javalib.TopicPartition.Compare)
	return parts
}

// target is where a partition is to be.
type target struct {
	at       javalib.TopicPartition
	replicas []int32
	dirs     []string // "any", or a log directory of each replica
}

// placed is a replica on a broker.
type placed struct {
	at     javalib.TopicPartition
	broker int32
}

func (p placed) String() string { return p.at.String() + "-" + javalib.Itoa(p.broker) }

// anyDir stands for whatever directory a broker chooses.
const anyDir = "any"

func commandFailed(format string, args ...any) error {
	return &javalib.Exception{Class: "org.apache.kafka.server.common.AdminCommandFailedException", Message: fmt.Sprintf(format, args...)}
}

func operationFailed(format string, args ...any) error {
	return &javalib.Exception{Class: "org.apache.kafka.server.common.AdminOperationException", Message: fmt.Sprintf(format, args...)}
}

// parseReassignment reads a reassignment.
func parseReassignment(text string) ([]target, error) {
	var file struct {
		Version    *int `json:"version"`
		Partitions []struct {
			Topic     *string  `json:"topic"`
			Partition *int32   `json:"partition"`
			Replicas  []int32  `json:"replicas"`
			Dirs      []string `json:"log_dirs"`
		} `json:"partitions"`
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, operationFailed("the reassignment is no JSON of the form that is asked for: %v", err)
	}
	if file.Version != nil && *file.Version != 1 {
		return nil, operationFailed("Not supported version field value %d", *file.Version)
	}
	var all []target
	for _, p := range file.Partitions {
		switch {
		case p.Topic == nil:
			return nil, operationFailed("No such field exists: `topic`")
		case p.Partition == nil:
			return nil, operationFailed("No such field exists: `partition`")
		case p.Replicas == nil:
			return nil, operationFailed("No such field exists: `replicas`")
		}
		t := target{javalib.TopicPartition{Topic: *p.Topic, Partition: *p.Partition}, p.Replicas, p.Dirs}
		if p.Dirs == nil {
			t.dirs = slices.Repeat([]string{anyDir}, len(p.Replicas))
		}
		if len(t.dirs) != len(t.replicas) {
			return nil, commandFailed("Size of replicas list [%s] is different from size of log dirs list %s for partition %s", javalib.Join(t.replicas, ", "), javalib.List(t.dirs), t.at)
		}
		all = append(all, t)
	}
	return all, nil
}

// dirsOf gives the directories that replicas are to be in, where a plan names them.
func dirsOf(plan []target) map[placed]string {
	dirs := map[placed]string{}
	for _, t := range plan {
		for i, dir := range t.dirs {
			if dir != anyDir {
				dirs[placed{t.at, t.replicas[i]}] = dir
			}
		}
	}
	return dirs
}

// format writes replicas as a file for --reassignment-json-file.
func format(replicas map[javalib.TopicPartition][]int32) string {
	var parts []string
	for _, p := range sortedPartitions(replicas) {
		dirs := slices.Repeat([]string{`"any"`}, len(replicas[p]))
		name, err := json.Marshal(p.Topic)
		if err != nil {
			name = []byte(`""`) // a text always is JSON
		}
		parts = append(parts, fmt.Sprintf(`{"topic":%s,"partition":%d,"replicas":[%s],"log_dirs":[%s]}`, name, p.Partition, javalib.Join(replicas[p], ","), strings.Join(dirs, ",")))
	}
	return `{"version":1,"partitions":[` + strings.Join(parts, ",") + `]}`
}

// sleep waits, unless the script is to end.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// alterReassignments asks for replicas of partitions; nil ones cancel what is under way. It gives the errors of partitions.
func (a *admin) alterReassignments(ctx context.Context, wanted map[javalib.TopicPartition][]int32) (map[javalib.TopicPartition]error, error) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	parts := sortedPartitions(wanted)
	for topic, numbers := range byTopic(parts) {
		t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
		t.Topic = topic
		for _, n := range numbers {
			p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			p.Partition, p.Replicas = n, wanted[javalib.TopicPartition{Topic: topic, Partition: n}]
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	failed := map[javalib.TopicPartition]error{}
	if e := javalib.FromCode(resp.ErrorCode, resp.ErrorMessage); e != nil {
		for _, p := range parts {
			failed[p] = e
		}
		return failed, nil
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if e := javalib.FromCode(p.ErrorCode, p.ErrorMessage); e != nil {
				failed[javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = e
			}
		}
	}
	return failed, nil
}
