package admin

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
)

// AllTopics is a metadataCache for tests outside of the package.
type AllTopics struct {
	cache metadataCache
	Made  int // how often topics were encoded
}

// Encoded gives the topics of an answer about all topics.
func (a *AllTopics) Encoded(meta *cluster.Metadata, version int16, listener string, operations bool) []byte {
	return a.cache.topics(meta, metadataVariant{version, listener, operations}, func() []kmsg.MetadataResponseTopic {
		a.Made++
		return TopicsAnew(meta, version, listener, operations)
	})
}

// Kept counts the answers that are kept.
func (a *AllTopics) Kept() int { return len(a.cache.answers) }

// MaxKept bounds them.
const MaxKept = maxMetadataVariants

// TopicsAnew gives the topics of an answer about all topics as a message has them.
func TopicsAnew(meta *cluster.Metadata, version int16, listener string, operations bool) []kmsg.MetadataResponseTopic {
	m := metadataAnswer{meta: meta, version: version, listener: listener, operations: operations}
	return m.all()
}

// WithTopics is an answer whose list of topics is encoded already.
func WithTopics(resp *kmsg.MetadataResponse, topics []byte) kmsg.Response {
	return &allTopicsResponse{resp, topics}
}
