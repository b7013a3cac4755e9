package scripts

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// apiVersionsScript is kafka-broker-api-versions: kafka.admin.BrokerApiVersionsCommand.
func apiVersionsScript() *Script {
	return &Script{Name: "kafka-broker-api-versions", Does: "Prints which versions of the protocol's requests each broker serves.",
		Differs: "the brokers come in the order of their ids, where Kafka's come in any order. What is usable is what a client of 3.9 can use.",
		parser:  func() *jopt.Parser { return newAPIVersionsOptions().p }, run: runAPIVersions}
}

type apiVersionsOptions struct {
	p                        *jopt.Parser
	bootstrap, commandConfig *jopt.Option
}

func newAPIVersionsOptions() *apiVersionsOptions {
	p := jopt.New()
	return &apiVersionsOptions{p,
		p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("server(s) to use for bootstrapping"),
		p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("command config property file")}
}

func runAPIVersions(ctx context.Context, c *call) error {
	o := newAPIVersionsOptions()
	opts, err := c.parse(o.p, "This tool helps to retrieve broker version information.")
	if err != nil {
		return err
	}
	if err := requireOptions(o.p, opts, o.bootstrap); err != nil {
		return err
	}
	a, err := dialWith(ctx, opts, o.bootstrap, o.commandConfig)
	if err != nil {
		return err
	}
	defer a.close()
	nodes, err := a.nodes(ctx)
	if err != nil {
		return err
	}
	ids := nodes.Keys()
	slices.Sort(ids)
	for _, id := range ids {
		n := nodes.Get(id)
		who := fmt.Sprintf("%s:%d (id: %d rack: %s)", n.host, n.port, n.id, orNull(n.rack))
		keys, err := apiVersions(ctx, a.client.Broker(int(id)))
		if err != nil {
			c.printf("%s -> ERROR: %s\n", who, javalib.OfError(err).String())
			continue
		}
		c.printf("%s -> (\n\t%s\n)\n", who, strings.Join(served(keys), ",\n\t"))
	}
	return nil
}

// served tells of the requests that a broker serves, and of those that it does not and a client may send.
func served(keys []kmsg.ApiVersionsResponseApiKey) []string {
	lines := map[int16]string{}
	for key, api := range clientAPIs {
		if api.client {
			lines[key] = fmt.Sprintf("%s(%d): UNSUPPORTED", api.name, key)
		}
	}
	for _, k := range keys {
		span := javalib.Itoa(k.MinVersion)
		if k.MaxVersion != k.MinVersion {
			span += " to " + javalib.Itoa(k.MaxVersion)
		}
		api, known := clientAPIs[k.ApiKey]
		switch {
		case !known:
			lines[k.ApiKey] = fmt.Sprintf("UNKNOWN(%d): %s", k.ApiKey, span)
		case api.max < k.MinVersion:
			lines[k.ApiKey] = fmt.Sprintf("%s(%d): %s [unusable: node too new]", api.name, k.ApiKey, span)
		case api.min > k.MaxVersion:
			lines[k.ApiKey] = fmt.Sprintf("%s(%d): %s [unusable: node too old]", api.name, k.ApiKey, span)
		default:
			lines[k.ApiKey] = fmt.Sprintf("%s(%d): %s [usable: %d]", api.name, k.ApiKey, span, min(api.max, k.MaxVersion))
		}
	}
	var all []string
	for _, key := range slices.SortedFunc(maps.Keys(lines), cmp.Compare[int16]) {
		all = append(all, lines[key])
	}
	return all
}

// clientAPI is a request that a client of 3.9 knows: its name, its versions, and whether brokers serve it, not controllers alone.
type clientAPI struct {
	name     string
	min, max int16
	client   bool
}

// clientAPIs are the requests of 3.9, by their keys.
var clientAPIs = map[int16]clientAPI{
	0:  {"Produce", 0, 11, true},
	1:  {"Fetch", 0, 17, true},
	2:  {"ListOffsets", 0, 9, true},
	3:  {"Metadata", 0, 12, true},
	4:  {"LeaderAndIsr", 0, 7, true},
	5:  {"StopReplica", 0, 4, true},
	6:  {"UpdateMetadata", 0, 8, true},
	7:  {"ControlledShutdown", 0, 3, true},
	8:  {"OffsetCommit", 0, 9, true},
	9:  {"OffsetFetch", 0, 9, true},
	10: {"FindCoordinator", 0, 6, true},
	11: {"JoinGroup", 0, 9, true},
	12: {"Heartbeat", 0, 4, true},
	13: {"LeaveGroup", 0, 5, true},
	14: {"SyncGroup", 0, 5, true},
	15: {"DescribeGroups", 0, 5, true},
	16: {"ListGroups", 0, 5, true},
	17: {"SaslHandshake", 0, 1, true},
	18: {"ApiVersions", 0, 4, true},
	19: {"CreateTopics", 0, 7, true},
	20: {"DeleteTopics", 0, 6, true},
	21: {"DeleteRecords", 0, 2, true},
	22: {"InitProducerId", 0, 5, true},
	23: {"OffsetForLeaderEpoch", 0, 4, true},
	24: {"AddPartitionsToTxn", 0, 5, true},
	25: {"AddOffsetsToTxn", 0, 4, true},
	26: {"EndTxn", 0, 4, true},
	27: {"WriteTxnMarkers", 0, 1, true},
	28: {"TxnOffsetCommit", 0, 4, true},
	29: {"DescribeAcls", 0, 3, true},
	30: {"CreateAcls", 0, 3, true},
	31: {"DeleteAcls", 0, 3, true},
	32: {"DescribeConfigs", 0, 4, true},
	33: {"AlterConfigs", 0, 2, true},
	34: {"AlterReplicaLogDirs", 0, 2, true},
	35: {"DescribeLogDirs", 0, 4, true},
	36: {"SaslAuthenticate", 0, 2, true},
	37: {"CreatePartitions", 0, 3, true},
	38: {"CreateDelegationToken", 0, 3, true},
	39: {"RenewDelegationToken", 0, 2, true},
	40: {"ExpireDelegationToken", 0, 2, true},
	41: {"DescribeDelegationToken", 0, 3, true},
	42: {"DeleteGroups", 0, 2, true},
	43: {"ElectLeaders", 0, 2, true},
	44: {"IncrementalAlterConfigs", 0, 1, true},
	45: {"AlterPartitionReassignments", 0, 0, true},
	46: {"ListPartitionReassignments", 0, 0, true},
	47: {"OffsetDelete", 0, 0, true},
	48: {"DescribeClientQuotas", 0, 1, true},
	49: {"AlterClientQuotas", 0, 1, true},
	50: {"DescribeUserScramCredentials", 0, 0, true},
	51: {"AlterUserScramCredentials", 0, 0, true},
	52: {"Vote", 0, 1, false},
	53: {"BeginQuorumEpoch", 0, 1, false},
	54: {"EndQuorumEpoch", 0, 1, false},
	55: {"DescribeQuorum", 0, 2, true},
	56: {"AlterPartition", 0, 3, true},
	57: {"UpdateFeatures", 0, 1, true},
	58: {"Envelope", 0, 0, true},
	59: {"FetchSnapshot", 0, 1, false},
	60: {"DescribeCluster", 0, 1, true},
	61: {"DescribeProducers", 0, 0, true},
	62: {"BrokerRegistration", 0, 4, false},
	63: {"BrokerHeartbeat", 0, 1, false},
	64: {"UnregisterBroker", 0, 0, true},
	65: {"DescribeTransactions", 0, 0, true},
	66: {"ListTransactions", 0, 1, true},
	67: {"AllocateProducerIds", 0, 0, true},
	68: {"ConsumerGroupHeartbeat", 0, 0, true},
	69: {"ConsumerGroupDescribe", 0, 0, true},
	70: {"ControllerRegistration", 0, 0, false},
	71: {"GetTelemetrySubscriptions", 0, 0, true},
	72: {"PushTelemetry", 0, 0, true},
	73: {"AssignReplicasToDirs", 0, 0, false},
	74: {"ListClientMetricsResources", 0, 0, true},
	75: {"DescribeTopicPartitions", 0, 0, true},
	76: {"ShareGroupHeartbeat", 0, 0, true},
	77: {"ShareGroupDescribe", 0, 0, true},
	78: {"ShareFetch", 0, 0, true},
	79: {"ShareAcknowledge", 0, 0, true},
	80: {"AddRaftVoter", 0, 0, true},
	81: {"RemoveRaftVoter", 0, 0, true},
	82: {"UpdateRaftVoter", 0, 0, false},
	83: {"InitializeShareGroupState", 0, 0, true},
	84: {"ReadShareGroupState", 0, 0, true},
	85: {"WriteShareGroupState", 0, 0, true},
	86: {"DeleteShareGroupState", 0, 0, true},
	87: {"ReadShareGroupStateSummary", 0, 0, true},
}
