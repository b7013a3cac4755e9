package admin

// DeleteTopics: key 20, versions 0 to 6.
//
//	1 throttle time
//	3 TOPIC_DELETION_DISABLED; before, INVALID_REQUEST stands for it
//	4 flexible
//	5 the answer may have messages; THROTTLING_QUOTA_EXCEEDED
//	6 topics by id (KIP-516)
//
// Refused, in this order: everything if delete.topic.enable is false
// (TOPIC_DELETION_DISABLED); the whole request, for a topic with both a name and an id
// (INVALID_REQUEST for each topic); then topic by topic, a topic with neither
// (INVALID_REQUEST), an unknown id (UNKNOWN_TOPIC_ID), an unknown name
// (UNKNOWN_TOPIC_OR_PARTITION). A topic that is named twice is deleted once and
// answered twice. Where this broker still shows the topic when the client's time is up, and
// always with a timeout of 0 or less, the deletion goes on and the answer is
// REQUEST_TIMED_OUT.
//
// Missing on purpose: messages. The reference has none in its answer either.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/server/codes"
	"klamm/server/request"
)

const (
	deleteTopicsByID     = 6 // the first version that lists topics by name or id
	deletionDisabledCode = 3 // the first version that knows TOPIC_DELETION_DISABLED
)

// DeleteTopics serves DeleteTopics: see above.
func (s *Service) DeleteTopics(c *request.Call, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp := kmsg.NewPtrDeleteTopicsResponse()
	if req.Version < deleteTopicsByID {
		for i := range req.TopicNames {
			t := kmsg.NewDeleteTopicsResponseTopic()
			t.Topic = &req.TopicNames[i]
			resp.Topics = append(resp.Topics, t)
		}
	}
	both := false
	for i := range req.Topics {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		both = both || t.Topic != nil && t.TopicID != [16]byte{}
		resp.Topics = append(resp.Topics, t)
	}
	switch {
	case !s.config.Current().Bool("delete.topic.enable") && req.Version < deletionDisabledCode, both:
		refuseDeletion(resp, kerr.InvalidRequest)
	case !s.config.Current().Bool("delete.topic.enable"):
		refuseDeletion(resp, kerr.TopicDeletionDisabled)
	default:
		s.deleteTopics(c.Who(), req.TimeoutMillis, resp)
	}
	return resp
}

// refuseDeletion refuses all topics.
func refuseDeletion(resp *kmsg.DeleteTopicsResponse, why *kerr.Error) {
	for i := range resp.Topics {
		resp.Topics[i].ErrorCode = why.Code
	}
}

// deleteTopics deletes the topics whose names and ids stand in an answer, and fills in the
// rest of the answer.
func (s *Service) deleteTopics(who string, timeoutMs int32, resp *kmsg.DeleteTopicsResponse) {
	var refs []cluster.TopicRef
	var places []int
	for i := range resp.Topics {
		t := &resp.Topics[i]
		ref := cluster.TopicRef{ID: t.TopicID}
		if t.Topic != nil {
			ref.Name = *t.Topic
		} else if ref.ID.IsZero() {
			t.ErrorCode = kerr.InvalidRequest.Code
			continue
		}
		refs, places = append(refs, ref), append(places, i)
	}
	if len(refs) == 0 {
		return
	}
	ctx, cancel := s.within(who, timeoutMs)
	defer cancel()
	for i, res := range s.broker.DeleteTopics(ctx, refs) {
		t := &resp.Topics[places[i]]
		t.ErrorCode = codes.Of(res.Err)
		if t.Topic == nil && res.Name != "" {
			t.Topic = &res.Name
		}
	}
}
