package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConfigCommands gives the commands below klamm config that ask a cluster.
func ConfigCommands(p Process) []*cobra.Command {
	return []*cobra.Command{configListCommand(p), configGetCommand(p), configSetCommand(p), configUnsetCommand(p)}
}

// resourceKinds are what has a configuration. A broker refuses a kind that it does not have.
var resourceKinds = map[string]kmsg.ConfigResourceType{
	"topic": kmsg.ConfigResourceTypeTopic, "broker": kmsg.ConfigResourceTypeBroker, "broker-logger": kmsg.ConfigResourceTypeBrokerLogger,
	"group": kmsg.ConfigResourceTypeGroupConfig, "client-metrics": kmsg.ConfigResourceTypeClientMetrics,
}

const resourceHelp = `

What has a configuration is named by its kind and its name:

  topic NAME           a topic
  broker ID            a broker; "broker default" is what is set for all brokers of the cluster
  broker-logger ID     how much each logger of a broker logs
  group NAME           a consumer group, where the brokers have KIP-848
  client-metrics NAME  a subscription to metrics of clients, where the brokers have KIP-714`

// resource reads a kind and a name.
func resource(kind, name string) (kmsg.ConfigResourceType, string, error) {
	t, ok := resourceKinds[kind]
	if !ok {
		return t, "", misuse("%q has no configuration; topic, broker, broker-logger, group and client-metrics do", kind)
	}
	switch {
	case t == kmsg.ConfigResourceTypeTopic:
		return t, name, checkTopics([]string{name})
	case kind == "broker" && name == "default":
		return t, "", nil
	case kind == "broker" || kind == "broker-logger":
		if id, err := strconv.ParseInt(name, 10, 32); err != nil || id < 0 {
			return t, "", misuse("%q is not the id of a broker; klamm broker list has them", name)
		}
	case name == "":
		return t, "", misuse("the name of the %s is empty", kind)
	}
	return t, name, nil
}

// configEntry is one property.
type configEntry struct {
	Name      string  `json:"name"`
	Value     *string `json:"value"` // null where it is secret, or there is none
	Source    string  `json:"source"`
	Sensitive bool    `json:"sensitive"`
	ReadOnly  bool    `json:"readOnly"`
	Doc       string  `json:"doc,omitempty"`
}

func (e configEntry) isDefault() bool { return e.Source == "default" }

// sources are the names of where a value comes from.
var sources = map[kmsg.ConfigSource]string{
	kmsg.ConfigSourceDynamicTopicConfig: "topic", kmsg.ConfigSourceDynamicBrokerConfig: "broker", kmsg.ConfigSourceDynamicDefaultBrokerConfig: "cluster",
	kmsg.ConfigSourceStaticBrokerConfig: "file", kmsg.ConfigSourceDefaultConfig: "default", kmsg.ConfigSourceDynamicBrokerLoggerConfig: "logger",
	kmsg.ConfigSourceClientMetricsConfig: "client-metrics", kmsg.ConfigSourceGroupConfig: "group",
}

// configs asks for the configurations of resources of one kind, by their names.
func (s *session) configs(ctx context.Context, kind kmsg.ConfigResourceType, names ...string) (map[string][]configEntry, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeDocumentation = true
	for _, name := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, name
		req.Resources = append(req.Resources, r)
	}
	if err := s.knownNames(ctx, kind, names); err != nil {
		return nil, err
	}
	found := map[string][]configEntry{}
	for _, shard := range s.Client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, fmt.Errorf("asking for the configuration: %w", shard.Err)
		}
		for _, r := range shard.Resp.(*kmsg.DescribeConfigsResponse).Resources {
			if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
				return nil, refused("asking for the configuration of "+title(kind, r.ResourceName), err, text(r.ErrorMessage))
			}
			for _, c := range r.Configs {
				source, ok := sources[c.Source]
				if !ok {
					source = strings.ToLower(c.Source.String())
				}
				found[r.ResourceName] = append(found[r.ResourceName], configEntry{c.Name, c.Value, source, c.IsSensitive, c.ReadOnly, text(c.Documentation)})
			}
			slices.SortFunc(found[r.ResourceName], func(a, b configEntry) int { return strings.Compare(a.Name, b.Name) })
		}
	}
	return found, nil
}

// knownNames gives an error for brokers that are not alive: the client has no words for them.
func (s *session) knownNames(ctx context.Context, kind kmsg.ConfigResourceType, names []string) error {
	if kind != kmsg.ConfigResourceTypeBroker && kind != kmsg.ConfigResourceTypeBrokerLogger {
		return nil
	}
	var ids []int32
	for _, name := range names {
		if id, err := strconv.ParseInt(name, 10, 32); err == nil { // "" is all brokers
			ids = append(ids, int32(id))
		}
	}
	return s.known(ctx, ids)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// title names a resource as the command line does.
func title(kind kmsg.ConfigResourceType, name string) string {
	for word, t := range resourceKinds {
		if t == kind && name == "" {
			return word + " default"
		} else if t == kind {
			return word + " " + name
		}
	}
	return name
}

// shown gives the value as a table has it.
func (e configEntry) shown() string {
	switch {
	case e.Sensitive:
		return "(secret)"
	case e.Value == nil:
		return "-"
	}
	return *e.Value
}

func configTable(entries []configEntry) table {
	t := table{head: []string{"PROPERTY", "VALUE", "SOURCE"}}
	for _, e := range entries {
		t.row(e.Name, e.shown(), e.Source)
	}
	return t
}

func configListCommand(p Process) *cobra.Command {
	var a ask
	var all bool
	cmd := &cobra.Command{
		Use:   "list KIND NAME",
		Short: "List the properties of a topic, a broker and so on",
		Long: `Lists the properties of a configuration that are set somewhere, with --all those that have their default too. The source says
where: topic, broker, cluster (set for all brokers), file (the broker's own), default.` + resourceHelp,
		Example:           "  klamm config list topic orders\n  klamm config list broker 1 --all\n  klamm config list broker default",
		Args:              arguments("a kind and a name, as topic orders", 2, 2),
		ValidArgsFunction: a.completeResource,
	}
	cmd.Flags().BoolVar(&all, "all", false, "list properties that have their default too")
	var kind kmsg.ConfigResourceType
	var name string
	a.check = func(args []string) (err error) {
		kind, name, err = resource(args[0], args[1])
		return err
	}
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		found, err := s.configs(ctx, kind, name)
		if err != nil {
			return err
		}
		entries := append([]configEntry{}, found[name]...)
		if !all {
			entries = slices.DeleteFunc(entries, configEntry.isDefault)
		}
		return s.show(entries, func(out io.Writer) error { t := configTable(entries); return t.write(out) })
	})
	return cmd
}

func configGetCommand(p Process) *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:               "get KIND NAME PROPERTY",
		Short:             "Print the value of one property",
		Long:              `Prints the value of one property, and nothing else.` + resourceHelp,
		Example:           "  klamm config get topic orders retention.ms\n  klamm config get broker 1 log.dirs",
		Args:              arguments("a kind, a name and a property, as topic orders retention.ms", 3, 3),
		ValidArgsFunction: a.completeResource,
	}
	var kind kmsg.ConfigResourceType
	var name string
	a.check = func(args []string) (err error) {
		kind, name, err = resource(args[0], args[1])
		return err
	}
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		found, err := s.configs(ctx, kind, name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(found[name], func(e configEntry) bool { return e.Name == args[2] })
		if i < 0 {
			return fmt.Errorf("%s has no property %s; klamm config list %s --all has them", title(kind, name), args[2], title(kind, name))
		}
		e := found[name][i]
		if s.format == asTable && e.Sensitive {
			return fmt.Errorf("%s of %s is secret: brokers do not tell it", args[2], title(kind, name))
		}
		return s.show(e, func(out io.Writer) error {
			_, err := fmt.Fprintln(out, cell(text(e.Value)))
			return err
		})
	})
	return cmd
}

func configSetCommand(p Process) *cobra.Command {
	return configChangeCommand(p, "set KIND NAME PROPERTY=VALUE...", "Set properties", "  klamm config set topic orders retention.ms=86400000\n  klamm config set broker default log.cleaner.threads=2",
		func(pairs []string) change { return change{sets: pairs} })
}

func configUnsetCommand(p Process) *cobra.Command {
	return configChangeCommand(p, "unset KIND NAME PROPERTY...", "Take settings away, so that the default is in force again", "  klamm config unset topic orders retention.ms",
		func(names []string) change { return change{unsets: names} })
}

func configChangeCommand(p Process, use, short, example string, what func([]string) change) *cobra.Command {
	var a ask
	var dryRun bool
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ` of a configuration, while the cluster runs.` + resourceHelp, Example: example,
		Args:              arguments("a kind, a name and what to change", 3, -1),
		ValidArgsFunction: a.completeResource,
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "have the broker check it, and change nothing")
	var req *kmsg.IncrementalAlterConfigsRequest
	a.check = func(args []string) error {
		kind, name, err := resource(args[0], args[1])
		if err != nil {
			return err
		}
		c := what(args[2:])
		c.kind, c.names, c.dryRun = kind, []string{name}, dryRun
		req, err = c.request()
		return err
	}
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error { return s.alter(ctx, req) })
	return cmd
}

// change is a change of configurations.
type change struct {
	kind         kmsg.ConfigResourceType
	names        []string
	sets, unsets []string // name=value; name
	dryRun       bool
}

// The operations of IncrementalAlterConfigs.
const (
	opSet    = kmsg.IncrementalAlterConfigOpSet
	opDelete = kmsg.IncrementalAlterConfigOpDelete
)

func (c change) request() (*kmsg.IncrementalAlterConfigsRequest, error) {
	values, err := settings("", c.sets)
	if err != nil {
		return nil, err
	}
	var configs []kmsg.IncrementalAlterConfigsRequestResourceConfig
	for name, value := range values {
		configs = append(configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Op: opSet, Value: value})
	}
	for _, name := range c.unsets {
		if _, both := values[name]; both || strings.Contains(name, "=") || name == "" {
			return nil, misuse("%q cannot be unset: it is the name of a property, which is not set at the same time", name)
		}
		configs = append(configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Op: opDelete})
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = c.dryRun
	for _, name := range c.names {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.Configs = c.kind, name, configs
		req.Resources = append(req.Resources, r)
	}
	return req, nil
}

// alter makes a change and says so.
func (s *session) alter(ctx context.Context, req *kmsg.IncrementalAlterConfigsRequest) error {
	for _, r := range req.Resources {
		if err := s.knownNames(ctx, r.ResourceType, []string{r.ResourceName}); err != nil {
			return err
		}
	}
	var errs []error
	changed := []string{}
	for _, shard := range s.Client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			errs = append(errs, fmt.Errorf("changing the configuration: %w", shard.Err))
			continue
		}
		for _, r := range shard.Resp.(*kmsg.IncrementalAlterConfigsResponse).Resources {
			name := title(r.ResourceType, r.ResourceName)
			if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
				errs = append(errs, refused("changing "+name, err, text(r.ErrorMessage)))
				continue
			}
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	for _, name := range changed {
		line := "changed " + name
		if req.ValidateOnly {
			line = "would change " + name
		}
		if _, err := fmt.Fprintln(s.lines(), cell(line)); err != nil {
			errs = append(errs, err)
		}
	}
	return s.values(changed, errors.Join(errs...))
}

// completeResource completes a kind and a name.
func (a *ask) completeResource(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return []string{"topic", "broker", "broker-logger", "group", "client-metrics"}, cobra.ShellCompDirectiveNoFileComp
	case len(args) == 1 && args[0] == "topic":
		return a.complete(2, topicNames)(cmd, args, begun)
	case len(args) == 1 && (args[0] == "broker" || args[0] == "broker-logger"):
		return a.complete(2, brokerIDs)(cmd, args, begun)
	case len(args) == 1 && args[0] == "group":
		return a.complete(2, groupNames)(cmd, args, begun)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
