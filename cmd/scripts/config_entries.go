package scripts

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// configEntry is one property of a topic, a broker or another resource, with the source of its value.
type configEntry struct {
	name      string
	value     *string
	source    kmsg.ConfigSource
	sensitive bool
	synonyms  []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym
}

// orNull is a value as a JVM prints it.
func orNull(value *string) string {
	if value == nil {
		return "null"
	}
	return *value
}

// resourceConfig gives the configuration of one resource, as resourceConfigs does.
func (a *admin) resourceConfig(ctx context.Context, kind kmsg.ConfigResourceType, name string, synonyms bool) (*javalib.HashMap[string, configEntry], error) {
	all, err := a.resourceConfigs(ctx, kind, []string{name}, synonyms)
	if err != nil {
		return nil, err
	}
	answer, ok := all[name]
	if !ok {
		return nil, javalib.Kafka("TimeoutException", "no broker describes the configuration of "+name)
	}
	return answer.entries, answer.failed()
}

// resourceAnswer is the configuration of a resource, or why a broker does not tell it.
type resourceAnswer struct {
	entries *javalib.HashMap[string, configEntry]
	err     *javalib.Exception
}

func (r resourceAnswer) failed() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// resourceConfigs gives the configurations of resources of one kind, each in the order of the Admin client. A broker
// without a name is the default of all brokers.
func (a *admin) resourceConfigs(ctx context.Context, kind kmsg.ConfigResourceType, names []string, synonyms bool) (map[string]resourceAnswer, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = synonyms
	for _, name := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, name
		req.Resources = append(req.Resources, r)
	}
	all := map[string]resourceAnswer{}
	if len(names) == 0 {
		return all, nil
	}
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	for _, r := range resp.Resources {
		entries := javalib.NewHashMap[string, configEntry](javalib.StringHash)
		for _, c := range r.Configs {
			entries.Put(c.Name, configEntry{c.Name, c.Value, c.Source, c.IsSensitive, c.ConfigSynonyms})
		}
		all[r.ResourceName] = resourceAnswer{entries, javalib.FromCode(r.ErrorCode, r.ErrorMessage)}
	}
	return all, nil
}
