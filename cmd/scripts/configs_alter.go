package scripts

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// change is kafka-configs --alter.
func (o *configsOptions) change(ctx context.Context, c *call, a *admin) error {
	set, err := o.properties()
	if err != nil {
		return err
	}
	var unset []string
	for _, name := range o.Values(o.remove) {
		unset = append(unset, strings.TrimSpace(name))
	}
	kind, name := o.types[0], o.names[0]
	switch kind {
	case topicsType:
		err = o.changeResource(ctx, a, kmsg.ConfigResourceTypeTopic, set, unset)
	case metricsType:
		err = o.changeResource(ctx, a, clientMetrics, set, unset)
	case loggersType:
		err = o.changeLoggers(ctx, a, set, unset)
	case brokersType:
		err = o.changeBroker(ctx, a, set, unset)
	case ipsType:
		err = o.changeIPs(ctx, a, set, unset)
	default:
		err = o.changeUsers(ctx, a, set, unset)
	}
	if err != nil {
		return err
	}
	if name != "" {
		c.printf("Completed updating config for %s %s.\n", strings.TrimSuffix(kind, "s"), name)
	} else {
		c.printf("Completed updating default config for %s in the cluster.\n", kind)
	}
	return nil
}

// mustHave ends the script where a property that is to be removed is not there.
func mustHave(old []configEntry, unset []string) error {
	var wrong []string
	for _, name := range unset {
		if !slices.ContainsFunc(old, func(e configEntry) bool { return e.name == name }) {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) > 0 {
		return invalidConfig("Invalid config(s): %s", strings.Join(wrong, ","))
	}
	return nil
}

// changeResource sets and removes properties of a topic or of client metrics.
func (o *configsOptions) changeResource(ctx context.Context, a *admin, kind kmsg.ConfigResourceType, set []property, unset []string) error {
	old, err := o.resource(ctx, a, o.names[0], false, false)
	if err != nil {
		return err
	}
	if err := mustHave(old, unset); err != nil {
		return err
	}
	return a.alterResource(ctx, kind, o.names[0], set, unset)
}

// changeLoggers sets and removes levels of a broker's loggers.
func (o *configsOptions) changeLoggers(ctx context.Context, a *admin, set []property, unset []string) error {
	known, err := o.resource(ctx, a, o.names[0], true, false)
	if err != nil {
		return err
	}
	var wrong []string
	for _, name := range unset {
		if !slices.ContainsFunc(known, func(e configEntry) bool { return e.name == name }) {
			wrong = append(wrong, name)
		}
	}
	for _, p := range set {
		if !slices.ContainsFunc(known, func(e configEntry) bool { return e.name == p.name }) {
			wrong = append(wrong, p.name)
		}
	}
	if len(wrong) > 0 {
		return invalidConfig("Invalid broker logger(s): %s", strings.Join(wrong, ","))
	}
	return a.alterResource(ctx, kmsg.ConfigResourceTypeBrokerLogger, o.names[0], set, unset)
}

// alterResource is incrementalAlterConfigs for one resource.
func (a *admin) alterResource(ctx context.Context, kind kmsg.ConfigResourceType, name string, set []property, unset []string) error {
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	for _, p := range set {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op, c.Value = p.name, kmsg.IncrementalAlterConfigOpSet, &p.value
		r.Configs = append(r.Configs, c)
	}
	for _, key := range unset {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op, c.Value = key, kmsg.IncrementalAlterConfigOpDelete, new(string)
		r.Configs = append(r.Configs, c)
	}
	return a.alterResources(ctx, r)
}

// alterResources is incrementalAlterConfigs.
func (a *admin) alterResources(ctx context.Context, resources ...kmsg.IncrementalAlterConfigsRequestResource) error {
	if len(resources) == 0 {
		return nil
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = resources
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return javalib.Execution(err)
	}
	for _, r := range resp.Resources {
		if e := javalib.FromCode(r.ErrorCode, r.ErrorMessage); e != nil {
			return javalib.Execution(e)
		}
	}
	return nil
}

// changeBroker sets and removes properties of a broker, or of all. Kafka's script of 3.9 sends all that a broker is to have,
// so that what is secret has to be said again.
func (o *configsOptions) changeBroker(ctx context.Context, a *admin, set []property, unset []string) error {
	name := o.names[0]
	old, err := o.resource(ctx, a, name, false, false)
	if err != nil {
		return err
	}
	if err := mustHave(old, unset); err != nil {
		return err
	}
	values := map[string]*string{}
	for _, e := range old {
		values[e.name] = e.value
	}
	for _, p := range set {
		values[p.name] = &p.value
	}
	var secret []string
	r := kmsg.NewAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, name
	for key, value := range values {
		if slices.Contains(unset, key) {
			continue
		}
		if value == nil {
			secret = append(secret, key)
		}
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		c.Name, c.Value = key, value
		r.Configs = append(r.Configs, c)
	}
	if len(secret) > 0 {
		slices.Sort(secret)
		return invalidConfig("All sensitive broker config entries must be specified for --alter, missing entries: Set(%s)", strings.Join(secret, ", "))
	}
	req := kmsg.NewPtrAlterConfigsRequest()
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return javalib.Execution(err)
	}
	for _, r := range resp.Resources {
		if e := javalib.FromCode(r.ErrorCode, r.ErrorMessage); e != nil {
			return javalib.Execution(e)
		}
	}
	return nil
}

// userQuotas and ipQuotas are the names of quotas.
var (
	userQuotas = []string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"}
	ipQuotas   = []string{"connection_creation_rate"}
)

// scalaSet is how Scala prints a set.
func scalaSet(names []string) string { return "Set(" + strings.Join(names, ", ") + ")" }

// scalaList is how Scala prints a list.
func scalaList(kind string, names []string) string {
	return kind + "(" + strings.Join(names, ", ") + ")"
}

// sorting of properties by what they are.
func kinds(names []string) (quotas, scram, unknown []string) {
	for _, name := range names {
		switch {
		case slices.Contains(userQuotas, name):
			quotas = append(quotas, name)
		case name != "UNKNOWN" && slices.Contains(scramMechanisms, name):
			scram = append(scram, name)
		default:
			unknown = append(unknown, name)
		}
	}
	return quotas, scram, unknown
}

// changeUsers sets and removes quotas of users and clients, or SCRAM credentials of a user.
func (o *configsOptions) changeUsers(ctx context.Context, a *admin, set []property, unset []string) error {
	var names []string
	for _, p := range set {
		names = append(names, p.name)
	}
	addQuotas, addScram, addUnknown := kinds(names)
	dropQuotas, dropScram, dropUnknown := kinds(unset)
	if o.types[0] == clientsType || len(o.types) == 2 {
		if wrong := append(addUnknown, addScram...); len(wrong) > 0 {
			return illegal("Only quota configs can be added for 'clients' using --bootstrap-server. Unexpected config names: %s", scalaSet(wrong))
		}
		if wrong := append(dropUnknown, dropScram...); len(wrong) > 0 {
			return illegal("Only quota configs can be deleted for 'clients' using --bootstrap-server. Unexpected config names: %s", scalaList("ArrayBuffer", wrong))
		}
	} else {
		if len(addUnknown) > 0 {
			return illegal("Only quota and SCRAM credential configs can be added for 'users' using --bootstrap-server. Unexpected config names: %s", scalaSet(addUnknown))
		}
		if len(dropUnknown) > 0 {
			return illegal("Only quota and SCRAM credential configs can be deleted for 'users' using --bootstrap-server. Unexpected config names: %s", scalaList("ArrayBuffer", dropUnknown))
		}
		if len(addScram)+len(dropScram) > 0 {
			if slices.Contains(o.names, "") {
				return illegal("The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.")
			}
			if len(addQuotas)+len(dropQuotas) > 0 {
				return illegal("Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.")
			}
		}
	}
	if len(addQuotas)+len(dropQuotas) > 0 {
		return o.changeQuotas(ctx, a, set, unset)
	}
	return o.changeScram(ctx, a, set, dropScram)
}

// changeIPs sets and removes quotas of addresses.
func (o *configsOptions) changeIPs(ctx context.Context, a *admin, set []property, unset []string) error {
	var wrong []string
	for _, p := range set {
		if !slices.Contains(ipQuotas, p.name) {
			wrong = append(wrong, p.name)
		}
	}
	for _, name := range unset {
		if !slices.Contains(ipQuotas, name) {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) > 0 {
		return illegal("Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: %s", strings.Join(wrong, ","))
	}
	return o.changeQuotas(ctx, a, set, unset)
}

func (o *configsOptions) changeQuotas(ctx context.Context, a *admin, set []property, unset []string) error {
	old, err := o.quotas(ctx, a)
	if err != nil {
		return err
	}
	var wrong []string
	for _, name := range unset {
		if len(old) == 0 || !old[0].values.Has(name) {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) > 0 {
		return invalidConfig("Invalid config(s): %s", strings.Join(wrong, ","))
	}
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	for i, kind := range o.types {
		e := kmsg.NewAlterClientQuotasRequestEntryEntity()
		e.Type = quotaTypes[kind]
		if o.names[i] != "" {
			e.Name = &o.names[i]
		}
		entry.Entity = append(entry.Entity, e)
	}
	for _, p := range set {
		value, err := strconv.ParseFloat(strings.TrimSpace(p.value), 64)
		if err != nil {
			return illegal("Cannot parse quota configuration value for %s: %s", p.name, p.value)
		}
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Value = p.name, value
		entry.Ops = append(entry.Ops, op)
	}
	for _, name := range unset {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Remove = name, true
		entry.Ops = append(entry.Ops, op)
	}
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = append(req.Entries, entry)
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return javalib.Execution(err)
	}
	for _, e := range resp.Entries {
		if e := javalib.FromCode(e.ErrorCode, e.ErrorMessage); e != nil {
			return javalib.Execution(e)
		}
	}
	return nil
}

// scramValue is the value of a SCRAM credential.
var scramValue = regexp.MustCompile(`^(?:iterations=(-?[0-9]*),)?password=(.*)$`)

// changeScram sets and removes SCRAM credentials of a user.
func (o *configsOptions) changeScram(ctx context.Context, a *admin, set []property, unset []string) error {
	const usual, least = 4096, 4096
	user := o.names[0]
	var drop []kadm.DeleteSCRAM
	for _, name := range unset {
		drop = append(drop, kadm.DeleteSCRAM{User: user, Mechanism: kadm.ScramMechanism(slices.Index(scramMechanisms, name))})
	}
	var add []kadm.UpsertSCRAM
	for _, p := range set {
		part := scramValue.FindStringSubmatch(p.value)
		if part == nil {
			return illegal("Invalid credential property %s=%s", strings.ReplaceAll(p.name, "-", "_"), p.value)
		}
		iterations := usual
		if part[1] != "" && part[1] != "-1" {
			n, err := strconv.ParseInt(part[1], 10, 32)
			if err != nil {
				return numberFormat(part[1])
			}
			iterations = int(n)
		}
		if iterations < least {
			return illegal("Iterations %d is less than the minimum %d required for %s", iterations, least, p.name)
		}
		add = append(add, kadm.UpsertSCRAM{User: user, Mechanism: kadm.ScramMechanism(slices.Index(scramMechanisms, p.name)), Iterations: int32(iterations), Password: part[2]})
	}
	resps, err := a.kadm.AlterUserSCRAMs(ctx, drop, add)
	if err != nil {
		return javalib.Execution(err)
	}
	for _, r := range resps {
		if r.Err != nil {
			e := javalib.OfError(r.Err)
			return javalib.Execution(&javalib.Exception{Class: e.Class, Message: orElse(r.ErrMessage, e.Message), Code: e.Code})
		}
	}
	return nil
}

// orElse is a text, or another where it is empty.
func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
