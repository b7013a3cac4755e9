package admin

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
)

// metadataCache keeps the encoded topics of answers about all topics until the metadata changes. Clients ask for all topics
// every few minutes. After a leader has moved, thousands of them ask at the same time.
type metadataCache struct {
	mu      sync.Mutex
	of      *cluster.Metadata                  // guarded by mu; the metadata of the answers
	answers map[metadataVariant]*encodedTopics // guarded by mu
}

// maxMetadataVariants bounds the variants that are kept: each takes some megabytes if there are 100,000 partitions. A broker's
// clients have few versions and use few listeners.
const maxMetadataVariants = 8

// metadataVariant holds everything but the metadata that the topics of an answer depend on.
type metadataVariant struct {
	version    int16
	listener   string
	operations bool // include_topic_authorized_operations
}

// encodedTopics is the list of topics of an answer, encoded with its length.
type encodedTopics struct {
	once  sync.Once
	bytes []byte
}

// topics returns a variant's encoded topics. If the cache does not have them, it encodes the topics that makeTopics returns.
func (c *metadataCache) topics(meta *cluster.Metadata, v metadataVariant, makeTopics func() []kmsg.MetadataResponseTopic) []byte {
	c.mu.Lock()
	if c.of != meta {
		c.of, c.answers = meta, make(map[metadataVariant]*encodedTopics)
	}
	e := c.answers[v]
	if e == nil {
		e = new(encodedTopics)
		if len(c.answers) < maxMetadataVariants {
			c.answers[v] = e
		}
	}
	c.mu.Unlock()
	e.once.Do(func() {
		resp := kmsg.NewPtrMetadataResponse()
		resp.SetVersion(v.version)
		resp.Topics = makeTopics()
		encoded := resp.AppendTo(nil)
		before, after := aroundTopics(resp)
		e.bytes = append([]byte(nil), encoded[before:len(encoded)-after]...)
	})
	return e.bytes
}

// aroundTopics returns the number of bytes before and after the list of topics in an answer.
func aroundTopics(resp *kmsg.MetadataResponse) (before, after int) {
	without := *resp
	without.Topics = []kmsg.MetadataResponseTopic{}
	list := 4 // the length of an empty list, an int32
	if resp.IsFlexible() {
		list, after = 1, 1 // a varint for the list, and one byte for no tagged fields
	}
	if resp.Version >= 8 && resp.Version <= metadataClusterOps {
		after += 4
	}
	if resp.Version >= metadataErrorCode {
		after += 2
	}
	return len(without.AppendTo(nil)) - list - after, after
}

// allTopicsResponse is an answer about all topics, whose list of topics is encoded already.
type allTopicsResponse struct {
	*kmsg.MetadataResponse // without topics
	topics                 []byte
}

// AppendAround implements request.Shared.
func (r *allTopicsResponse) AppendAround(dst []byte) (around []byte, at int, shared []byte) {
	before, after := aroundTopics(r.MetadataResponse)
	begin := len(dst)
	dst = r.MetadataResponse.AppendTo(dst)
	at = begin + before
	return append(dst[:at], dst[len(dst)-after:]...), at, r.topics
}

// AppendTo implements kmsg.Response.
func (r *allTopicsResponse) AppendTo(dst []byte) []byte {
	around, at, shared := r.AppendAround(dst)
	return slices.Insert(around, at, shared...)
}
