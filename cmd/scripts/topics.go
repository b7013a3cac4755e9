package scripts

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// topicsScript is kafka-topics: org.apache.kafka.tools.TopicCommand.
//
// It leaves the check of --config's values to the broker, whose errors are the same.
func topicsScript() *Script {
	return &Script{Name: "kafka-topics", Does: "Lists, describes, creates, changes and deletes topics.",
		parser: func() *jopt.Parser { return newTopicsOptions().p }, run: runTopics}
}

type topicsOptions struct {
	p *jopt.Parser
	*jopt.Set
	bootstrap, commandConfig, list, create, remove, alter, describe, topic, topicID, config, deleteConfig, partitions,
	factor, assignment, underReplicated, unavailable, underMinISR, atMinISR, overrides, ifExists, ifNotExists, exclude, perResponse *jopt.Option
}

func newTopicsOptions() *topicsOptions {
	p := jopt.New()
	return &topicsOptions{
		p:               p,
		bootstrap:       p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("server to connect to"),
		commandConfig:   p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("command config property file"),
		list:            p.Accepts("list", "List the topics."),
		create:          p.Accepts("create", "Create a topic."),
		remove:          p.Accepts("delete", "Delete topics."),
		alter:           p.Accepts("alter", "Give topics more partitions. kafka-configs changes their configuration."),
		describe:        p.Accepts("describe", "Describe the topics and their partitions."),
		topic:           p.Accepts("topic", "The topic. For all but --create a regular expression that matches whole names.").Needs("topic"),
		topicID:         p.Accepts("topic-id", "The id of the topic to describe.").Needs("topic-id"),
		config:          p.Accepts("config", "A property of the topic to create; may be repeated.").Needs("name=value"),
		deleteConfig:    p.Accepts("delete-config", "Not for clusters that are reached by --bootstrap-server.").Needs("name"),
		partitions:      p.Accepts("partitions", "How many partitions a new topic has, or an old one gets.").Needs("# of partitions").Of(jopt.Int),
		factor:          p.Accepts("replication-factor", "How many replicas each partition of a new topic has.").Needs("replication factor").Of(jopt.Int),
		assignment:      p.Accepts("replica-assignment", "The brokers of each partition: 1:2,2:3 for two partitions with two replicas.").Needs("brokers of each partition"),
		underReplicated: p.Accepts("under-replicated-partitions", "Describe partitions that have replicas out of sync, only."),
		unavailable:     p.Accepts("unavailable-partitions", "Describe partitions whose leader is not alive, only."),
		underMinISR:     p.Accepts("under-min-isr-partitions", "Describe partitions with fewer replicas in sync than min.insync.replicas, only."),
		atMinISR:        p.Accepts("at-min-isr-partitions", "Describe partitions with as many replicas in sync as min.insync.replicas, only."),
		overrides:       p.Accepts("topics-with-overrides", "Describe topics that have a configuration of their own, only."),
		ifExists:        p.Accepts("if-exists", "With --alter, --delete and --describe: no topic is no error."),
		ifNotExists:     p.Accepts("if-not-exists", "With --create: a topic that is there is no error."),
		exclude:         p.Accepts("exclude-internal", "Leave out internal topics."),
		perResponse:     p.Accepts("partition-size-limit-per-response", "How many partitions one answer of a broker describes at most.").Needs("partitions").Of(jopt.Int),
	}
}

func runTopics(ctx context.Context, c *call) error {
	o := newTopicsOptions()
	if err := o.read(c); err != nil {
		if stop := new(exit); errors.As(err, &stop) {
			return err
		}
		return &exit{1, err.Error()}
	}
	a, err := dialWith(ctx, o.Set, o.bootstrap, o.commandConfig)
	if err == nil {
		defer a.close()
		err = o.act(ctx, c, a)
	}
	if stop := new(exit); err == nil || errors.As(err, &stop) {
		return err
	}
	c.println("Error while executing topic command : " + err.Error())
	return &exit{1, ""}
}

// read reads the command line.
func (o *topicsOptions) read(c *call) (err error) {
	if o.Set, err = c.parse(o.p, "This tool helps to create, delete, describe, or change a topic."); err != nil {
		return err
	}
	actions := 0
	for _, action := range []*jopt.Option{o.create, o.list, o.alter, o.describe, o.remove} {
		if o.Has(action) {
			actions++
		}
	}
	if actions != 1 {
		return usage(o.p, "Command must include exactly one action: --list, --describe, --create, --alter or --delete")
	}
	if !o.Has(o.bootstrap) {
		return javalib.IllegalArgument("--bootstrap-server must be specified")
	}
	if o.Has(o.describe) && o.Has(o.ifExists) {
		if !o.Has(o.topic) && !o.Has(o.topicID) {
			return usage(o.p, "--topic or --topic-id is required to describe a topic")
		}
		if o.Has(o.topic) && o.Has(o.topicID) {
			c.println("Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID")
		}
	}
	if !o.Has(o.list) && !o.Has(o.describe) {
		if err := requireOptions(o.p, o.Set, o.topic); err != nil {
			return err
		}
	}
	if o.Has(o.alter) {
		if o.Has(o.config) {
			return usage(o.p, "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (the kafka-configs CLI supports altering topic configs with a --bootstrap-server option)")
		}
		if err := requireOptions(o.p, o.Set, o.partitions); err != nil {
			return err
		}
	}
	return o.exclusions()
}

// exclusions finds options that exclude each other.
func (o *topicsOptions) exclusions() error {
	actions := []*jopt.Option{o.alter, o.create, o.describe, o.list, o.remove}
	but := func(allowed ...*jopt.Option) []*jopt.Option {
		return slices.DeleteFunc(slices.Clone(actions), func(a *jopt.Option) bool { return slices.Contains(allowed, a) })
	}
	reports := []*jopt.Option{o.underReplicated, o.underMinISR, o.atMinISR, o.unavailable}
	type rule struct {
		used     *jopt.Option
		excluded []*jopt.Option
	}
	rules := []rule{
		{o.config, but(o.alter, o.create)},
		{o.deleteConfig, append(but(o.alter), o.bootstrap)},
		{o.partitions, but(o.alter, o.create)},
		{o.factor, but(o.create)},
		{o.assignment, but(o.alter, o.create)},
	}
	if o.Has(o.create) {
		rules = append(rules, rule{o.assignment, []*jopt.Option{o.partitions, o.factor}})
	}
	for _, report := range reports {
		rules = append(rules, rule{report, append(but(o.describe), o.overrides)})
	}
	rules = append(rules,
		rule{o.overrides, append(but(o.describe), reports...)},
		rule{o.ifExists, but(o.alter, o.remove, o.describe)},
		rule{o.ifNotExists, but(o.create)},
		rule{o.exclude, but(o.list, o.describe)})
	for _, r := range rules {
		if err := excludeOptions(o.p, o.Set, r.used, r.excluded...); err != nil {
			return err
		}
	}
	return nil
}

func (o *topicsOptions) act(ctx context.Context, c *call, a *admin) error {
	if o.Has(o.create) {
		return o.createTopic(ctx, c, a)
	}
	if o.Has(o.describe) {
		return o.describeTopics(ctx, c, a)
	}
	names, err := o.names(ctx, a)
	if err != nil {
		return err
	}
	if o.Has(o.list) {
		c.println(strings.Join(names, "\n"))
		return nil
	}
	if err := o.mustExist(len(names)); err != nil {
		return err
	}
	if o.Has(o.alter) {
		return o.alterTopics(ctx, a, names)
	}
	return deleteTopics(ctx, a, names)
}

// names gives the names that --topic matches, in their order.
func (o *topicsOptions) names(ctx context.Context, a *admin) ([]string, error) {
	pattern, err := o.Value(o.topic)
	if err != nil {
		return nil, err
	}
	matches := func(string) bool { return true }
	if o.Has(o.topic) {
		if matches, err = topicPattern(pattern); err != nil {
			return nil, err
		}
	}
	all, err := a.topicNames(ctx, !o.Has(o.exclude))
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(all.Keys(), func(name string) bool { return !matches(name) || internal(name) && o.Has(o.exclude) })
	slices.SortFunc(names, javalib.CompareStrings)
	return names, nil
}

// internal says whether a topic is one of the brokers' own.
func internal(name string) bool {
	return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state"
}

// topicPattern gives what says whether a name matches a list of names or patterns (TopicFilter.IncludeList).
func topicPattern(raw string) (func(string) bool, error) {
	text := strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(raw), ",", "|"), " ", "")
	text = strings.TrimRight(strings.TrimLeft(text, `"'`), `"'`)
	re, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return nil, &javalib.Exception{Class: "java.lang.RuntimeException", Message: text + " is an invalid regex."}
	}
	return re.MatchString, nil
}

// mustExist ends the script when --topic names nothing.
func (o *topicsOptions) mustExist(found int) error {
	name, err := o.Value(o.topic)
	if err == nil && name != "" && found == 0 && !o.Has(o.ifExists) {
		return javalib.IllegalArgument("Topic 'Optional[" + name + "]' does not exist as expected")
	}
	return err
}

// properties reads --config.
func (o *topicsOptions) properties() (map[string]string, error) {
	all := map[string]string{}
	for _, text := range o.Values(o.config) {
		parts := javalib.Split(text, "=")
		if len(parts) != 2 {
			return nil, javalib.IllegalArgument(`requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".`)
		}
		all[strings.TrimSpace(parts[0])] = strings.TrimSpace(parts[1])
	}
	return all, nil
}

// replicas reads --replica-assignment.
func (o *topicsOptions) replicas() (all [][]int32, err error) {
	text, err := o.Value(o.assignment)
	if err != nil || text == "" {
		return nil, err
	}
	for i, part := range javalib.Split(text, ",") {
		var brokers []int32
		for _, word := range javalib.Split(part, ":") {
			id, err := strconv.ParseInt(strings.TrimSpace(word), 10, 32)
			if err != nil {
				return nil, numberFormat(strings.TrimSpace(word))
			}
			brokers = append(brokers, int32(id))
		}
		if twice := duplicates(javalib.IntHash, brokers); len(twice) > 0 {
			return nil, &javalib.Exception{Class: "org.apache.kafka.server.common.AdminCommandFailedException",
				Message: "Partition replica lists may not contain duplicate entries: " + javalib.Join(twice, ",")}
		}
		if all = append(all, brokers); len(brokers) != len(all[0]) {
			return nil, &javalib.Exception{Class: "org.apache.kafka.server.common.AdminOperationException",
				Message: "Partition " + javalib.Itoa(i) + " has different replication factor: [" + javalib.Join(brokers, ", ") + "]"}
		}
	}
	return all, nil
}

// numberFormat is what Integer.parseInt throws.
func numberFormat(text string) error {
	return &javalib.Exception{Class: "java.lang.NumberFormatException", Message: `For input string: "` + text + `"`}
}

// duplicates gives what stands in a list more than once.
func duplicates[K comparable](hash func(K) int32, list []K) []K {
	seen, twice := map[K]bool{}, javalib.NewHashMap[K, struct{}](hash)
	for _, k := range list {
		if seen[k] {
			twice.Put(k, struct{}{})
		}
		seen[k] = true
	}
	return twice.Keys()
}

func (o *topicsOptions) createTopic(ctx context.Context, c *call, a *admin) error {
	name, err := o.Value(o.topic)
	if err != nil {
		return err
	}
	partitions, err := o.Number(o.partitions)
	if err != nil {
		return err
	}
	factor, err := o.Number(o.factor)
	if err != nil {
		return err
	}
	replicas, err := o.replicas()
	if err != nil {
		return err
	}
	properties, err := o.properties()
	if err != nil {
		return err
	}
	if strings.ContainsAny(name, "._") {
		c.println("WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.")
	}
	if o.Has(o.factor) && (factor > math.MaxInt16 || factor < 1) {
		return javalib.IllegalArgument("The replication factor must be between 1 and 32767 inclusive")
	}
	if o.Has(o.partitions) && partitions < 1 {
		return javalib.IllegalArgument("The partitions must be greater than 0")
	}
	if name == "" {
		return unrepresentable(name)
	}
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
	if o.Has(o.partitions) {
		t.NumPartitions = int32(partitions)
	}
	if o.Has(o.factor) {
		t.ReplicationFactor = int16(factor)
	}
	for i, brokers := range replicas {
		r := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		r.Partition, r.Replicas = int32(i), brokers
		t.ReplicaAssignment = append(t.ReplicaAssignment, r)
	}
	for name, value := range properties {
		p := kmsg.NewCreateTopicsRequestTopicConfig()
		p.Name, p.Value = name, &value
		t.Configs = append(t.Configs, p)
	}
	return o.create1(ctx, c, a, t)
}

func (o *topicsOptions) create1(ctx context.Context, c *call, a *admin, t kmsg.CreateTopicsRequestTopic) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return javalib.OfError(err)
	}
	for _, answer := range resp.Topics {
		e := javalib.FromCode(answer.ErrorCode, answer.ErrorMessage)
		if e != nil && strings.HasSuffix(e.Class, ".TopicExistsException") && o.Has(o.ifNotExists) {
			return nil
		}
		if e != nil {
			return e
		}
	}
	c.println("Created topic " + t.Topic + ".")
	return nil
}

// alterTopics gives topics more partitions.
func (o *topicsOptions) alterTopics(ctx context.Context, a *admin, names []string) error {
	count, err := o.Number(o.partitions)
	if err != nil {
		return err
	}
	replicas, err := o.replicas()
	if err != nil || len(names) == 0 {
		return err
	}
	now, err := a.topics(ctx, names, 2000)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	for _, name := range names {
		t := kmsg.NewCreatePartitionsRequestTopic()
		t.Topic, t.Count = name, int32(count)
		if len(replicas) > 0 {
			if e := now.Get(name).err; e != nil {
				return javalib.Execution(e)
			}
			for _, brokers := range replicas[min(len(replicas), len(now.Get(name).partitions)):] {
				t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: brokers})
			}
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return javalib.OfError(err)
	}
	for _, t := range resp.Topics {
		if e := javalib.FromCode(t.ErrorCode, t.ErrorMessage); e != nil {
			return e
		}
	}
	return nil
}

func deleteTopics(ctx context.Context, a *admin, names []string) error {
	if len(names) == 0 {
		return nil
	}
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	req.TopicNames = names
	for _, name := range names {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return javalib.OfError(err)
	}
	for _, t := range resp.Topics {
		if e := javalib.FromCode(t.ErrorCode, t.ErrorMessage); e != nil {
			return e
		}
	}
	return nil
}

// topicWithID gives the name of the topic with an id.
func (o *topicsOptions) topicWithID(ctx context.Context, a *admin, text string) ([]string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 16 {
		return nil, javalib.IllegalArgument("Input string `" + text + "` decoded as " + javalib.Itoa(len(raw)) + " bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID")
	}
	id := [16]byte(raw)
	all, err := a.topicNames(ctx, !o.Has(o.exclude))
	if err != nil {
		return nil, err
	}
	for name, its := range all.All() {
		if its == id {
			return []string{name}, nil
		}
	}
	if !o.Has(o.ifExists) {
		return nil, javalib.IllegalArgument("TopicId '" + text + "' does not exist as expected")
	}
	return nil, nil
}
