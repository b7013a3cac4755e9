package scripts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"klamm/cmd/connect"
	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// configsScript is kafka-configs: kafka.admin.ConfigCommand.
func configsScript() *Script {
	return &Script{Name: "kafka-configs", Does: "Describes and changes the configuration of topics, brokers, loggers of brokers, client metrics, and the quotas and SCRAM credentials of users, clients and addresses.",
		Differs: "it reaches the cluster by its brokers alone.",
		parser:  func() *jopt.Parser { return newConfigsOptions().p }, run: runConfigs}
}

// The types of entities.
const (
	topicsType  = "topics"
	clientsType = "clients"
	usersType   = "users"
	brokersType = "brokers"
	ipsType     = "ips"
	loggersType = "broker-loggers"
	metricsType = "client-metrics"
)

type configsOptions struct {
	p *jopt.Parser
	*jopt.Set
	zookeeper, bootstrap, controller, commandConfig, alter, describe, all, entityType, entityName, entityDefault, add, addFile, remove,
	force, zkTLS *jopt.Option
	named     []flagOf // options that name an entity of a type, in the script's order
	defaults  []flagOf // options that mean the default of a type
	types     []string // what the command line means, by both ways of saying it
	names     []string // "" is a default
	arguments []string
}

type flagOf struct {
	*jopt.Option
	of string
}

func newConfigsOptions() *configsOptions {
	p := jopt.New()
	o := &configsOptions{
		p:             p,
		zookeeper:     p.Accepts("zookeeper", "").Needs("urls").Refused("klamm's scripts ask brokers; use --bootstrap-server"),
		bootstrap:     p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("server to connect to"),
		controller:    p.Accepts("bootstrap-controller", "").Needs("controller to connect to").Refused("klamm's scripts ask brokers, not controllers of KRaft; use --bootstrap-server"),
		commandConfig: p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("command config property file"),
		alter:         p.Accepts("alter", "Change the configuration."),
		describe:      p.Accepts("describe", "Show the configuration that was set while the cluster runs."),
		all:           p.Accepts("all", "With --describe: show all of the configuration."),
		entityType:    p.Accepts("entity-type", "What is meant: topics, clients, users, brokers, broker-loggers, ips or client-metrics. Users and clients may be named together.").Needs("type"),
		entityName:    p.Accepts("entity-name", "Its name: of a topic, a client id, a user, a broker's id, an address, or client metrics.").Needs("name"),
		entityDefault: p.Accepts("entity-default", "The default of all clients, users, brokers or addresses."),
		add:           p.Accepts("add-config", "Properties to set: k1=v1,k2=[v1,v2],k3=v3.").Needs("properties"),
		addFile:       p.Accepts("add-config-file", "A properties file with properties to set.").Needs("file"),
		remove:        p.Accepts("delete-config", "Properties to remove: k1,k2.").Needs("names").SplitBy(","),
		force:         p.Accepts("force", "Nothing, as in Kafka's script, which asks nothing."),
	}
	o.named = []flagOf{
		{p.Accepts("topic", "The topic.").Needs("name"), topicsType},
		{p.Accepts("client", "The client id.").Needs("id"), clientsType},
		{p.Accepts("user", "The user.").Needs("name"), usersType},
		{p.Accepts("broker", "The broker.").Needs("id"), brokersType},
		{p.Accepts("broker-logger", "The broker whose loggers are meant.").Needs("id"), loggersType},
		{p.Accepts("ip", "The address.").Needs("address"), ipsType},
	}
	o.defaults = []flagOf{
		{p.Accepts("client-defaults", "The default of all clients."), clientsType},
		{p.Accepts("user-defaults", "The default of all users."), usersType},
		{p.Accepts("broker-defaults", "The default of all brokers."), brokersType},
		{p.Accepts("ip-defaults", "The default of all addresses."), ipsType},
	}
	o.zkTLS = p.Accepts("zk-tls-config-file", "").Needs("file").Refused("klamm's scripts ask brokers; use --bootstrap-server and --command-config")
	return o
}

func runConfigs(ctx context.Context, c *call) error {
	o := newConfigsOptions()
	o.arguments = c.args
	err := o.read(c)
	if err == nil {
		err = o.act(ctx, c)
	}
	stop, misread, thrown := new(exit), new(jopt.Error), new(javalib.Exception)
	switch {
	case err == nil || errors.As(err, &stop):
		return err
	case errors.As(err, &misread):
		return &exit{1, misread.Message}
	case errors.As(err, &thrown) && (thrown.Class == "java.lang.IllegalArgumentException" || strings.HasSuffix(thrown.Class, ".InvalidConfigurationException")):
		return &exit{1, thrown.Message}
	}
	return &exit{1, "Error while executing config command with args '" + strings.Join(c.args, " ") + "'\n" + described(err)}
}

// invalidConfig is the exception that names properties which are not there.
func invalidConfig(format string, args ...any) error {
	return javalib.Kafka("InvalidConfigurationException", fmt.Sprintf(format, args...))
}

func illegal(format string, args ...any) error {
	return javalib.IllegalArgument(fmt.Sprintf(format, args...))
}

// read reads the command line.
func (o *configsOptions) read(c *call) (err error) {
	if o.Set, err = c.parse(o.p, "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip or client-metrics"); err != nil {
		return err
	}
	if o.Has(o.alter) == o.Has(o.describe) {
		return usage(o.p, "Command must include exactly one action: --describe, --alter")
	}
	if err := excludeOptions(o.p, o.Set, o.describe, o.add, o.remove); err != nil {
		return err
	}
	if err := o.entities(); err != nil {
		return err
	}
	if !o.Has(o.bootstrap) {
		return illegal("One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments must be specified")
	}
	if err := o.checkNames(); err != nil {
		return err
	}
	return o.checkAlter()
}

// entities finds which entities are meant.
func (o *configsOptions) entities() error {
	o.types = slices.Clone(o.Values(o.entityType))
	names := o.Values(o.entityName)
	for _, option := range o.Order() {
		switch option {
		case o.entityName:
			if len(names) > 0 {
				o.names, names = append(o.names, names[0]), names[1:]
			}
		case o.entityDefault:
			o.names = append(o.names, "")
		}
	}
	flags := false
	for _, flag := range append(slices.Clone(o.named), o.defaults...) {
		if !o.Has(flag.Option) {
			continue
		}
		name, err := o.Value(flag.Option)
		if err != nil {
			return err
		}
		flags = true
		o.types, o.names = append(o.types, flag.of), append(o.names, name)
	}
	seen := map[string]bool{}
	var twice []string
	for _, kind := range o.types {
		if seen[kind] {
			twice = append(twice, kind)
		}
		seen[kind] = true
	}
	if len(twice) > 0 {
		return illegal("Duplicate entity type(s) specified: %s", strings.Join(twice, ","))
	}
	allowed, by := []string{topicsType, clientsType, usersType, brokersType, ipsType, loggersType, metricsType}, "--bootstrap-server or --bootstrap-controller"
	if !o.Has(o.bootstrap) {
		allowed, by = []string{usersType, brokersType}, "--zookeeper"
	}
	for _, kind := range o.types {
		if !slices.Contains(allowed, kind) {
			return illegal("Invalid entity type %s, the entity type must be one of %s with a %s argument", kind, strings.Join(allowed, ", "), by)
		}
	}
	switch {
	case len(o.types) == 0:
		return illegal("At least one entity type must be specified")
	case len(o.types) > 1 && (len(o.types) != 2 || !seen[usersType] || !seen[clientsType]):
		return illegal("Only 'users' and 'clients' entity types may be specified together")
	case flags && (o.Has(o.entityName) || o.Has(o.entityType) || o.Has(o.entityDefault)):
		return illegal("--entity-{type,name,default} should not be used in conjunction with specific entity flags")
	}
	return nil
}

// is says whether entities of a type are meant.
func (o *configsOptions) is(kind string) bool { return slices.Contains(o.types, kind) }

// namesSome says whether an entity is named, and whether a default is meant.
func (o *configsOptions) namesSome() (name, byDefault bool) {
	for _, n := range o.names {
		name, byDefault = name || n != "", byDefault || n == ""
	}
	return name, byDefault
}

// checkNames checks the names of brokers and addresses.
func (o *configsOptions) checkNames() error {
	named, _ := o.namesSome()
	if named && (o.is(brokersType) || o.is(loggersType)) {
		for _, name := range o.names {
			if _, err := strconv.ParseInt(name, 10, 32); err != nil && name != "" {
				return illegal("The entity name for %s must be a valid integer broker id, but it is: %s", o.types[0], name)
			}
		}
	}
	if named && o.is(ipsType) {
		for _, name := range o.names {
			if net.ParseIP(name) != nil || name == "" {
				continue
			}
			if _, err := net.LookupHost(name); err != nil {
				return illegal("The entity name for %s must be a valid IP or resolvable host, but it is: %s", o.types[0], name)
			}
		}
	}
	if o.Has(o.describe) && o.is(loggersType) && !named {
		return illegal("an entity name must be specified with --describe of %s", strings.Join(o.types, ","))
	}
	return nil
}

// checkAlter checks what --alter needs.
func (o *configsOptions) checkAlter() error {
	if !o.Has(o.alter) {
		return nil
	}
	named, byDefault := o.namesSome()
	if o.is(usersType) || o.is(clientsType) || o.is(brokersType) || o.is(ipsType) {
		if !named && !byDefault {
			return illegal("an entity-name or default entity must be specified with --alter of users, clients, brokers or ips")
		}
	} else if !named {
		return illegal("an entity name must be specified with --alter of %s", strings.Join(o.types, ","))
	}
	if o.Has(o.add) && o.Has(o.addFile) {
		return illegal("Only one of --add-config or --add-config-file must be specified")
	}
	if !o.Has(o.add) && !o.Has(o.addFile) && !o.Has(o.remove) {
		return illegal("At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter")
	}
	return nil
}

func (o *configsOptions) act(ctx context.Context, c *call) error {
	a, err := dialWith(ctx, o.Set, o.bootstrap, o.commandConfig)
	if err != nil {
		return err
	}
	defer a.close()
	if o.Has(o.alter) && len(o.types) != len(o.names) {
		return illegal("An entity name must be specified for every entity type")
	}
	if o.Has(o.alter) {
		return o.change(ctx, c, a)
	}
	return o.show(ctx, c, a)
}

// property is a name and its value.
type property struct{ name, value string }

// properties reads --add-config and --add-config-file.
func (o *configsOptions) properties() (all []property, err error) {
	values := map[string]string{}
	if o.Has(o.addFile) {
		path, err := o.Value(o.addFile)
		if err != nil {
			return nil, err
		}
		read, err := connect.ReadProperties(path)
		if err != nil {
			return nil, err
		}
		values = read
	}
	text, err := o.Value(o.add)
	if err != nil {
		return nil, err
	}
	if o.Has(o.add) {
		for _, part := range outsideBrackets(text, ",") {
			pair := outsideBrackets(part, "=")
			if len(pair) != 2 {
				return nil, illegal(`requirement failed: Invalid entity config: all configs to be added must be in the format "key=val".`)
			}
			values[strings.TrimSpace(pair[0])] = strings.TrimSpace(strings.NewReplacer("[", "", "]", "").Replace(pair[1]))
		}
	}
	for name, value := range values {
		if !regexp.MustCompile(`^[a-zA-Z0-9._-]*$`).MatchString(name) {
			return nil, illegal("Invalid character found for config key: %s", name)
		}
		all = append(all, property{name, value})
	}
	slices.SortFunc(all, func(p, q property) int { return strings.Compare(p.name, q.name) })
	return all, nil
}

// outsideBrackets splits a text at separators that stand in no square brackets.
func outsideBrackets(text, separator string) (parts []string) {
	last := 0
	for i := range text {
		if text[i:i+1] != separator {
			continue
		}
		rest := text[i+1:]
		if closing := strings.IndexByte(rest, ']'); closing >= 0 && !strings.Contains(rest[:closing], "[") {
			continue
		}
		parts, last = append(parts, text[last:i]), i+1
	}
	parts = append(parts, text[last:])
	if separator == "," {
		for len(parts) > 1 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
	}
	return parts
}
