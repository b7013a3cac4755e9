package scripts

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// electionScript is kafka-leader-election: org.apache.kafka.tools.LeaderElectionCommand.
func electionScript() *Script {
	return &Script{Name: "kafka-leader-election", Does: "Lets the preferred replicas lead, or any replica of partitions without a leader.",
		parser: func() *jopt.Parser { return newElectionOptions().p }, run: func(ctx context.Context, c *call) error { return plainly(elect(ctx, c, newElectionOptions())) }}
}

type electionOptions struct {
	p                                                           *jopt.Parser
	bootstrap, commandConfig, file, topic, partition, all, kind *jopt.Option
}

func newElectionOptions() *electionOptions {
	p := jopt.New()
	return &electionOptions{p,
		p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("host:port"),
		p.Accepts("admin.config", "A properties file of a Java client, for the connection.").Needs("config file"),
		p.Accepts("path-to-json-file", `The file with the partitions, {"partitions": [{"topic": "foo", "partition": 1}]}.`).Needs("Path to JSON file"),
		p.Accepts("topic", "The topic.").Needs("topic name"),
		p.Accepts("partition", "The topic's partition.").Needs("partition id").Of(jopt.Int),
		p.Accepts("all-topic-partitions", "All partitions that need it."),
		p.Accepts("election-type", "Required: preferred or unclean.").Needs("election type")}
}

// partitions gives the partitions to elect leaders of; nil for all.
func (o *electionOptions) partitions(opts *jopt.Set) ([]javalib.TopicPartition, error) {
	if opts.Has(o.file) {
		path, err := opts.Value(o.file)
		if err != nil {
			return nil, err
		}
		return electionFile(path)
	}
	if !opts.Has(o.topic) {
		return nil, nil
	}
	topic, err := opts.Value(o.topic)
	if err != nil {
		return nil, err
	}
	number, err := opts.Number(o.partition)
	return []javalib.TopicPartition{{Topic: topic, Partition: int32(number)}}, err
}

// electionFile reads --path-to-json-file.
func electionFile(path string) ([]javalib.TopicPartition, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, &javalib.Exception{Class: "java.lang.RuntimeException", Message: javalib.OfError(err).String()}
	}
	var file struct {
		Partitions *[]struct {
			Topic     *string `json:"topic"`
			Partition *int32  `json:"partition"`
		} `json:"partitions"`
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, operationFailed("Replica election data is empty")
	}
	if file.Partitions == nil {
		return nil, operationFailed(`Replica election data is missing "partitions" field`)
	}
	parts := []javalib.TopicPartition{}
	for _, p := range *file.Partitions {
		if p.Topic == nil || p.Partition == nil {
			return nil, operationFailed("a partition in the file lacks its topic or its number")
		}
		parts = append(parts, javalib.TopicPartition{Topic: *p.Topic, Partition: *p.Partition})
	}
	if twice := duplicates(javalib.TopicPartition.Hash, parts); len(twice) > 0 {
		return nil, operationFailed("Replica election data contains duplicate partitions: [%s]", strings.ReplaceAll(joined(twice), ",", ", "))
	}
	return parts, nil
}

// check finds what is wrong with the command line.
func (o *electionOptions) check(opts *jopt.Set) error {
	var missing []string
	for _, needed := range []*jopt.Option{o.bootstrap, o.kind} {
		if !opts.Has(needed) {
			missing = append(missing, needed.Name)
		}
	}
	ways := 0
	for _, way := range []*jopt.Option{o.topic, o.all, o.file} {
		if opts.Has(way) {
			ways++
		}
	}
	switch {
	case len(missing) > 0:
		return commandFailed("Missing required option(s): %s", strings.Join(missing, ", "))
	case ways != 1:
		return commandFailed("One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file")
	case opts.Has(o.topic) && !opts.Has(o.partition):
		return commandFailed("Missing required option(s): partition")
	case !opts.Has(o.topic) && opts.Has(o.partition):
		return commandFailed("Option partition is only allowed if topic is used")
	}
	return nil
}

func elect(ctx context.Context, c *call, o *electionOptions) error {
	opts, err := c.parse(o.p, "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are preferred replicas and unclean replicas.")
	if err != nil {
		return err
	}
	if err := o.check(opts); err != nil {
		return err
	}
	kind, err := opts.Value(o.kind)
	if err != nil {
		return err
	}
	types := map[string]int8{"PREFERRED": 0, "UNCLEAN": 1}
	election, ok := types[strings.ToUpper(kind)]
	if !ok {
		return &jopt.Error{Class: "joptsimple.OptionArgumentConversionException", Message: "Cannot parse argument '" + kind + "' of option election-type"}
	}
	parts, err := o.partitions(opts)
	if err != nil {
		return err
	}
	a, err := dialWith(ctx, opts, o.bootstrap, o.commandConfig)
	if err != nil {
		return err
	}
	defer a.close()
	results, err := a.electLeaders(ctx, election, parts)
	if e := javalib.OfError(err); err != nil {
		const clusterAuthorization = 31
		switch {
		case strings.HasSuffix(e.Class, ".TimeoutException"):
			c.println("Timeout waiting for election results")
			return commandFailed("Timeout waiting for election results")
		case e.Code == clusterAuthorization:
			c.println("Not authorized to perform leader election")
			return commandFailed("Not authorized to perform leader election")
		}
		return runtime(err)
	}
	return tellElections(c, strings.ToUpper(kind), results)
}

// tellElections prints what came of the elections.
func tellElections(c *call, kind string, results *tpMap[*javalib.Exception]) error {
	done, needless, failed := newTPMap[struct{}](), newTPMap[struct{}](), newTPMap[*javalib.Exception]()
	for p, e := range results.All() {
		const notNeeded = 84
		switch {
		case e == nil:
			done.Put(p, struct{}{})
		case e.Code == notNeeded:
			needless.Put(p, struct{}{})
		default:
			failed.Put(p, e)
		}
	}
	list := func(parts []javalib.TopicPartition) string {
		var names []string
		for _, p := range parts {
			names = append(names, p.String())
		}
		return strings.Join(names, ", ")
	}
	if done.Len() > 0 {
		c.println(fmt.Sprintf("Successfully completed leader election (%s) for partitions %s", kind, list(done.Keys())))
	}
	if needless.Len() > 0 {
		c.println("Valid replica already elected for partitions " + list(needless.Keys()))
	}
	for p, e := range failed.All() {
		c.println(fmt.Sprintf("Error completing leader election (%s) for partition: %s: %s", kind, p, e.String()))
	}
	if failed.Len() > 0 {
		return commandFailed("%d replica(s) could not be elected", failed.Len())
	}
	return nil
}

// electLeaders elects leaders of partitions, or of all that need it where those are nil.
func (a *admin) electLeaders(ctx context.Context, kind int8, parts []javalib.TopicPartition) (*tpMap[*javalib.Exception], error) {
	req := kmsg.NewPtrElectLeadersRequest()
	req.ElectionType, req.TimeoutMillis = kind, int32(requestTimeout.Milliseconds())
	if parts != nil {
		req.Topics = []kmsg.ElectLeadersRequestTopic{}
		for topic, numbers := range byTopic(parts) {
			t := kmsg.NewElectLeadersRequestTopic()
			t.Topic, t.Partitions = topic, numbers
			req.Topics = append(req.Topics, t)
		}
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	if e := javalib.FromCode(resp.ErrorCode, nil); e != nil {
		return nil, e
	}
	all := newTPMap[*javalib.Exception]()
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			all.Put(javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}, javalib.FromCode(p.ErrorCode, p.ErrorMessage))
		}
	}
	return all, nil
}
