package admin

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
)

// metadataCache keeps the topics of answers about all topics as they are encoded, until the metadata changes: clients ask for
// all topics every few minutes and whenever a leader moved, thousands of them at a time.
type metadataCache struct {
	mu      sync.Mutex
	of      *cluster.Metadata                  // guarded by mu; what the answers are about
	answers map[metadataVariant]*encodedTopics // guarded by mu
}

// maxMetadataVariants bounds the variants that are kept: of 100,000 partitions each takes some megabytes. A broker's clients are
// of few ages, and come in by few listeners.
const maxMetadataVariants = 8

// metadataVariant is all that the topics of an answer depend on besides the metadata.
type metadataVariant struct {
	version    int16
	listener   string
	operations bool // include_topic_authorized_operations
}

// encodedTopics is the list of topics as the answer has it on the wire, its length included.
type encodedTopics struct {
	once  sync.Once
	bytes []byte
}

// topics gives a variant's topics, which make encodes if nobody did before.
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

// aroundTopics gives how many bytes stand before and after the list of topics in an answer.
func aroundTopics(resp *kmsg.MetadataResponse) (before, after int) {
	without := *resp
	without.Topics = []kmsg.MetadataResponseTopic{}
	list := 4 // an empty list's length
	if resp.IsFlexible() {
		list, after = 1, 1 // a varint; no tags
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

// AppendTo implements kmsg.Response.
func (r *allTopicsResponse) AppendTo(dst []byte) []byte {
	begin := len(dst)
	dst = r.MetadataResponse.AppendTo(dst)
	before, after := aroundTopics(r.MetadataResponse)
	rest := append([]byte(nil), dst[len(dst)-after:]...)
	dst = append(dst[:begin+before], r.topics...)
	return append(dst, rest...)
}
