package scripts

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// show is kafka-configs --describe.
func (o *configsOptions) show(ctx context.Context, c *call, a *admin) error {
	switch o.types[0] {
	case usersType, clientsType:
		if err := o.showQuotas(ctx, c, a); err != nil {
			return err
		}
		if o.is(clientsType) || slices.Contains(o.names, "") {
			return nil
		}
		return o.showScram(ctx, c, a)
	case ipsType:
		return o.showQuotas(ctx, c, a)
	}
	names := o.names
	if len(names) == 0 {
		var err error
		if names, err = o.allNames(ctx, a); err != nil {
			return err
		}
	} else {
		names = names[:1]
	}
	for _, name := range names {
		if err := o.showResource(ctx, c, a, name); err != nil {
			return err
		}
	}
	return nil
}

// allNames gives the names of all entities of the type.
func (o *configsOptions) allNames(ctx context.Context, a *admin) ([]string, error) {
	switch o.types[0] {
	case topicsType:
		all, err := a.topicNames(ctx, true)
		if err != nil {
			return nil, javalib.Execution(err)
		}
		return all.Keys(), nil
	case metricsType:
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.ResourceTypes = []int8{int8(clientMetrics)}
		resp, err := req.RequestWith(ctx, a.client)
		if err != nil {
			return nil, javalib.Execution(javalib.Kafka("UnsupportedVersionException", "The node does not support LIST_CLIENT_METRICS_RESOURCES"))
		}
		if e := javalib.FromCode(resp.ErrorCode, nil); e != nil {
			return nil, javalib.Execution(e)
		}
		var names []string
		for _, r := range resp.ConfigResources {
			names = append(names, r.Name)
		}
		return names, nil
	}
	all, err := a.nodes(ctx)
	if err != nil {
		return nil, javalib.Execution(err)
	}
	var names []string
	for _, id := range all.Keys() {
		names = append(names, javalib.Itoa(id))
	}
	return append(names, ""), nil
}

// sources are the names of sources of a value.
var sources = map[kmsg.ConfigSource]string{
	kmsg.ConfigSourceDynamicTopicConfig:         "DYNAMIC_TOPIC_CONFIG",
	kmsg.ConfigSourceDynamicBrokerConfig:        "DYNAMIC_BROKER_CONFIG",
	kmsg.ConfigSourceDynamicDefaultBrokerConfig: "DYNAMIC_DEFAULT_BROKER_CONFIG",
	kmsg.ConfigSourceStaticBrokerConfig:         "STATIC_BROKER_CONFIG",
	kmsg.ConfigSourceDefaultConfig:              "DEFAULT_CONFIG",
	kmsg.ConfigSourceDynamicBrokerLoggerConfig:  "DYNAMIC_BROKER_LOGGER_CONFIG",
	clientMetricsSource:                         "DYNAMIC_CLIENT_METRICS_CONFIG",
}

// The numbers of the protocol for client metrics.
const (
	clientMetricsSource kmsg.ConfigSource       = 7
	clientMetrics       kmsg.ConfigResourceType = 16
)

func (o *configsOptions) showResource(ctx context.Context, c *call, a *admin, name string) error {
	kind := o.types[0]
	one := strings.TrimSuffix(kind, "s")
	switch {
	case name == "":
		c.printf("Default configs for %s in the cluster are:\n", kind)
	case o.Has(o.all):
		c.printf("All configs for %s %s are:\n", one, name)
	default:
		c.printf("Dynamic configs for %s %s are:\n", one, name)
	}
	entries, err := o.resource(ctx, a, name, true, o.Has(o.all))
	if err != nil {
		return err
	}
	for _, e := range entries {
		var synonyms []string
		for _, s := range e.synonyms {
			source := sources[s.Source]
			if source == "" {
				source = "UNKNOWN"
			}
			synonyms = append(synonyms, fmt.Sprintf("%s:%s=%s", source, s.Name, orNull(s.Value)))
		}
		c.printf("  %s=%s sensitive=%t synonyms={%s}\n", e.name, orNull(e.value), e.sensitive, strings.Join(synonyms, ", "))
	}
	return nil
}

// resource gives the configuration of an entity that is no quota, sorted by name: all of it, or what was set for it.
func (o *configsOptions) resource(ctx context.Context, a *admin, name string, synonyms, all bool) ([]configEntry, error) {
	kind := o.types[0]
	var resource kmsg.ConfigResourceType
	var source kmsg.ConfigSource
	switch kind {
	case topicsType:
		if err := validTopic(name); err != nil {
			return nil, err
		}
		resource, source = kmsg.ConfigResourceTypeTopic, kmsg.ConfigSourceDynamicTopicConfig
	case brokersType:
		resource, source = kmsg.ConfigResourceTypeBroker, kmsg.ConfigSourceDynamicBrokerConfig
		if name == "" {
			source = kmsg.ConfigSourceDynamicDefaultBrokerConfig
		}
	case loggersType:
		resource, all = kmsg.ConfigResourceTypeBrokerLogger, true
	case metricsType:
		resource, source = clientMetrics, clientMetricsSource
	}
	if _, err := strconv.ParseInt(name, 10, 32); (kind == brokersType || kind == loggersType) && name != "" && err != nil {
		return nil, illegal("The entity name for %s must be a valid integer broker id, found: %s", kind, name)
	}
	answer, err := a.resourceConfig(ctx, resource, name, synonyms)
	if err != nil {
		return nil, javalib.Execution(err)
	}
	var entries []configEntry
	for _, e := range answer.All() {
		if all || e.source == source {
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(d, e configEntry) int { return javalib.CompareStrings(d.name, e.name) })
	return entries, nil
}

// validTopic is Topic.validate.
func validTopic(name string) error {
	bad := ""
	switch {
	case name == "":
		return nil
	case name == "." || name == "..":
		bad = "'" + name + "' is not allowed"
	case len(name) > 249:
		bad = "the length of '" + name + "' is longer than the max allowed length 249"
	case strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}):
		bad = "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	}
	if bad == "" {
		return nil
	}
	return javalib.Kafka("InvalidTopicException", "Topic name is invalid: "+bad)
}

// quotaTypes are the protocol's names of types of entities.
var quotaTypes = map[string]string{usersType: "user", clientsType: "client-id", ipsType: "ip"}

// quotaEntity is whose quotas they are: names by type, nil for the default.
type quotaEntity struct {
	names  map[string]*string
	values *javalib.HashMap[string, float64]
}

// hash is ClientQuotaEntity.hashCode.
func (e *quotaEntity) hash() int32 {
	sum := int32(0)
	for kind, name := range e.names {
		h := javalib.StringHash(kind)
		if name != nil {
			h ^= javalib.StringHash(*name)
		}
		sum += h
	}
	return 31 + sum
}

// quotas gives the quotas of the entities that are meant, in the order of the Admin client.
func (o *configsOptions) quotas(ctx context.Context, a *admin) ([]*quotaEntity, error) {
	req := kmsg.NewPtrDescribeClientQuotasRequest()
	req.Strict = true
	if len(o.names) > len(o.types) {
		return nil, illegal("More entity names specified than entity types")
	}
	for i, kind := range o.types {
		c := kmsg.NewDescribeClientQuotasRequestComponent()
		c.EntityType = quotaTypes[kind]
		switch {
		case i >= len(o.names):
			c.MatchType = kmsg.QuotasMatchTypeAny
		case o.names[i] == "":
			c.MatchType = kmsg.QuotasMatchTypeDefault
		default:
			c.MatchType, c.Match = kmsg.QuotasMatchTypeExact, &o.names[i]
		}
		req.Components = append(req.Components, c)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.Execution(err)
	}
	if e := javalib.FromCode(resp.ErrorCode, resp.ErrorMessage); e != nil {
		return nil, javalib.Execution(e)
	}
	all := javalib.NewHashMapFor[*quotaEntity, struct{}]((*quotaEntity).hash, len(resp.Entries))
	for _, entry := range resp.Entries {
		e := &quotaEntity{map[string]*string{}, javalib.NewHashMapFor[string, float64](javalib.StringHash, len(entry.Values))}
		for _, one := range entry.Entity {
			e.names[one.Type] = one.Name
		}
		for _, v := range entry.Values {
			e.values.Put(v.Key, v.Value)
		}
		all.Put(e, struct{}{})
	}
	return all.Keys(), nil
}

func (o *configsOptions) showQuotas(ctx context.Context, c *call, a *admin) error {
	all, err := o.quotas(ctx, a)
	if err != nil {
		return err
	}
	for _, e := range all {
		var who, what []string
		for _, kind := range [][2]string{{"user", "user-principal"}, {"client-id", "client-id"}, {"ip", "ip"}} {
			name, ok := e.names[kind[0]]
			switch {
			case ok && name != nil:
				who = append(who, kind[1]+" '"+*name+"'")
			case ok:
				who = append(who, "the default "+kind[1])
			}
		}
		for key, value := range e.values.All() {
			what = append(what, key+"="+javalib.Double(value))
		}
		c.printf("Quota configs for %s are %s\n", strings.Join(who, ", "), strings.Join(what, ", "))
	}
	return nil
}

// showScram shows which SCRAM credentials users have.
func (o *configsOptions) showScram(ctx context.Context, c *call, a *admin) error {
	req := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	for _, name := range o.names {
		u := kmsg.NewDescribeUserSCRAMCredentialsRequestUser()
		u.Name = name
		req.Users = append(req.Users, u)
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return javalib.Execution(err)
	}
	if e := javalib.FromCode(resp.ErrorCode, resp.ErrorMessage); e != nil {
		return javalib.Execution(e)
	}
	const notFound = 91
	for _, r := range resp.Results {
		if r.ErrorCode == notFound {
			continue
		}
		if e := javalib.FromCode(r.ErrorCode, r.ErrorMessage); e != nil {
			c.printf("Error retrieving SCRAM credential configs for user-principal '%s': ExecutionException: %s\n", r.User, e.String())
			continue
		}
		var infos []string
		for _, i := range r.CredentialInfos {
			infos = append(infos, fmt.Sprintf("%s=iterations=%d", scramName(i.Mechanism), i.Iterations))
		}
		c.printf("SCRAM credential configs for user-principal '%s' are %s\n", r.User, strings.Join(infos, ", "))
	}
	return nil
}

// scramMechanisms are the mechanisms by the protocol's numbers.
var scramMechanisms = []string{"UNKNOWN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

func scramName(mechanism int8) string {
	if mechanism < 1 || int(mechanism) >= len(scramMechanisms) {
		return scramMechanisms[0]
	}
	return scramMechanisms[mechanism]
}
