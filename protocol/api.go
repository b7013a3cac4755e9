package protocol

// API is one row of the table of what is served: dispatch, ApiVersions, limits,
// metrics' labels and docs/apis.md are all made from it.
type API struct {
	Key  int16
	Name string // as Apache Kafka names it
	// Min and Max are the versions that ApiVersions announces.
	Min, Max int16
	// From is the lowest version that is served. It is above Min for Produce
	// only, see there.
	From int16
	// Flexible is the first version with compact encodings, tagged fields and
	// header version 2 (KIP-482).
	Flexible int16
}

// Keys of the APIs served.
const (
	KeyProduce                 int16 = 0
	KeyFetch                   int16 = 1
	KeyListOffsets             int16 = 2
	KeyMetadata                int16 = 3
	KeyAPIVersions             int16 = 18
	KeyCreateTopics            int16 = 19
	KeyDeleteTopics            int16 = 20
	KeyDeleteRecords           int16 = 21
	KeyInitProducerID          int16 = 22
	KeyOffsetForLeaderEpoch    int16 = 23
	KeyDescribeConfigs         int16 = 32
	KeyAlterConfigs            int16 = 33
	KeyDescribeLogDirs         int16 = 35
	KeyCreatePartitions        int16 = 37
	KeyIncrementalAlterConfigs int16 = 44
	KeyDescribeCluster         int16 = 60
	KeyDescribeProducers       int16 = 61
	KeyListConfigResources     int16 = 74
	KeyDescribeTopicPartitions int16 = 75
)

// apis is in the order of keys. The ranges are those that Apache Kafka 4.3.1
// announces: testdata/4.3.1/18-ApiVersions-04.hex.
//
// Produce is announced from 0 and served from 3: librdkafka takes a broker whose
// lowest version is above 0 for one without compression (KAFKA-18659).
var apis = []API{
	{Key: KeyProduce, Name: "Produce", Min: 0, Max: 13, From: 3, Flexible: 9},
	{Key: KeyFetch, Name: "Fetch", Min: 4, Max: 18, From: 4, Flexible: 12},
	{Key: KeyListOffsets, Name: "ListOffsets", Min: 1, Max: 11, From: 1, Flexible: 6},
	{Key: KeyMetadata, Name: "Metadata", Min: 0, Max: 13, From: 0, Flexible: 9},
	{Key: KeyAPIVersions, Name: "ApiVersions", Min: 0, Max: 4, From: 0, Flexible: 3},
	{Key: KeyCreateTopics, Name: "CreateTopics", Min: 2, Max: 7, From: 2, Flexible: 5},
	{Key: KeyDeleteTopics, Name: "DeleteTopics", Min: 1, Max: 6, From: 1, Flexible: 4},
	{Key: KeyDeleteRecords, Name: "DeleteRecords", Min: 0, Max: 2, From: 0, Flexible: 2},
	{Key: KeyInitProducerID, Name: "InitProducerId", Min: 0, Max: 5, From: 0, Flexible: 2},
	{Key: KeyOffsetForLeaderEpoch, Name: "OffsetForLeaderEpoch", Min: 2, Max: 4, From: 2, Flexible: 4},
	{Key: KeyDescribeConfigs, Name: "DescribeConfigs", Min: 1, Max: 4, From: 1, Flexible: 4},
	{Key: KeyAlterConfigs, Name: "AlterConfigs", Min: 0, Max: 2, From: 0, Flexible: 2},
	{Key: KeyDescribeLogDirs, Name: "DescribeLogDirs", Min: 1, Max: 5, From: 1, Flexible: 2},
	{Key: KeyCreatePartitions, Name: "CreatePartitions", Min: 0, Max: 3, From: 0, Flexible: 2},
	{Key: KeyIncrementalAlterConfigs, Name: "IncrementalAlterConfigs", Min: 0, Max: 1, From: 0, Flexible: 1},
	{Key: KeyDescribeCluster, Name: "DescribeCluster", Min: 0, Max: 2, From: 0, Flexible: 0},
	{Key: KeyDescribeProducers, Name: "DescribeProducers", Min: 0, Max: 0, From: 0, Flexible: 0},
	{Key: KeyListConfigResources, Name: "ListConfigResources", Min: 0, Max: 1, From: 0, Flexible: 0},
	{Key: KeyDescribeTopicPartitions, Name: "DescribeTopicPartitions", Min: 0, Max: 0, From: 0, Flexible: 0},
}

// APIs gives the table in the order of keys. It is a copy.
func APIs() []API { return append([]API(nil), apis...) }

// byKey finds a row by its key.
var byKey = func() (rows [128]*API) {
	for i := range apis {
		rows[apis[i].Key] = &apis[i]
	}
	return rows
}()

// Lookup finds the row of a key that came off the wire. The row is shared and
// must not be changed.
func Lookup(key int16) (*API, bool) {
	if key < 0 || int(key) >= len(byKey) || byKey[key] == nil {
		return nil, false
	}
	return byKey[key], true
}

// Serves reports whether requests of this version are answered.
func (a *API) Serves(version int16) bool { return version >= a.From && version <= a.Max }

// IsFlexible reports whether this version has tagged fields, in its header too.
// It answers for versions above Max as well, since the header of a request that
// is refused is read all the same.
func (a *API) IsFlexible(version int16) bool { return version >= a.Flexible }

// TaggedResponseHeader reports whether answers of this version begin with
// response header version 1, that is, with tagged fields after the correlation
// id. ApiVersions never does: a client asks it before it knows what the broker
// speaks (KIP-511).
func (a *API) TaggedResponseHeader(version int16) bool {
	return a.Key != KeyAPIVersions && a.IsFlexible(version)
}
