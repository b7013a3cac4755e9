package server_test

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// inSession is a step of the session that the step before opened or used, at
// the given epoch. change may be nil.
func inSession(epoch int32, change func(t *talk, req *kmsg.FetchRequest), wants ...want) goldenStep {
	return goldenStep{ordered: true, req: func(t *talk) kmsg.Request {
		req := fetchOf(t, wants...)
		req.SessionID, req.SessionEpoch = t.session, epoch
		if change != nil {
			change(t, req)
		}
		return req
	}}
}

// opening is a full request that asks for a session.
func opening(wants ...want) goldenStep {
	return fetching(func(req *kmsg.FetchRequest) { req.SessionEpoch = 0 }, wants...)
}

// appending writes one more record to a partition.
func appending(topic string, partition int32) goldenStep {
	return step(func(t *talk) kmsg.Request { return produce(t.n(topic), partition, -1, -1, 2000) })
}

// deleting deletes a topic. With 4.4.0 the answer tells its id, too.
func deleting(topic string) goldenStep {
	return goldenStep{drop: []string{"TopicID"}, req: func(t *talk) kmsg.Request { t.id(topic); return deleteTopics(t.n(topic)) }}
}

func forget(topic string, partitions ...int32) func(t *talk, req *kmsg.FetchRequest) {
	return func(t *talk, req *kmsg.FetchRequest) {
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Topic, f.TopicID, f.Partitions = t.n(topic), t.someID(topic), partitions
		req.ForgottenTopics = append(req.ForgottenTopics, f)
	}
}

// other has the request sent in version 13 in a conversation of 12, and the
// other way round.
func other(t *talk, _ *kmsg.FetchRequest) { t.otherVersion = true }

func fetchSessionCases() []goldenCase {
	const key, from = kmsg.Fetch, 7
	p := func(partition int32, offset int64) want {
		return want{topic: "a", partition: partition, offset: offset}
	}
	epoch := func(want want, current int32) want {
		want.change = func(p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = current }
		return want
	}
	limited := func(n int32) func(t *talk, req *kmsg.FetchRequest) {
		return func(_ *talk, req *kmsg.FetchRequest) { req.MaxBytes = n }
	}
	deleteAt := func(offset int64) goldenStep {
		return step(func(t *talk) kmsg.Request { return deleteRecords(t.n("a"), 0, offset) })
	}
	return []goldenCase{
		{name: "fetch_session/incremental", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10), p(1, 3), p(2, 0), want{topic: "e"}), inSession(1, nil), inSession(2, nil, p(2, 1)), inSession(3, nil),
			appending("a", 0), inSession(4, nil), inSession(5, nil), inSession(6, nil, p(0, 11)), inSession(7, nil), appending("e", 0), appending("a", 1), inSession(8, nil),
			inSession(9, nil, p(1, 4), want{topic: "e", offset: 1}), inSession(10, nil),
		}},
		{name: "fetch_session/start_moves", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10)), inSession(1, nil), deleteAt(5), inSession(2, nil), inSession(3, nil), deleteAt(-1), inSession(4, nil), inSession(5, nil),
		}},
		{name: "fetch_session/added_and_forgotten", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10)), inSession(1, nil, p(1, 3), want{topic: "e"}), inSession(2, nil), inSession(3, forget("a", 0)), appending("a", 0), appending("a", 1), inSession(4, nil),
			inSession(5, forget("a", 7)), inSession(6, forget("none", 0)), inSession(7, forget("a", 1), p(1, 0)), inSession(8, nil), inSession(9, nil, p(0, 10)), inSession(10, nil),
		}},
		{name: "fetch_session/emptied", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10), p(1, 3)), inSession(1, forget("a", 0)), inSession(2, forget("a", 1)), inSession(3, nil), inSession(3, nil, p(0, 10)),
		}},
		{name: "fetch_session/opened_empty", key: key, from: from, setup: filled, steps: []goldenStep{opening(), inSession(1, nil), inSession(1, nil, p(0, 10))}},
		{name: "fetch_session/refused", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10)), inSession(2, nil, p(1, 0)), inSession(1, nil), inSession(1, nil), inSession(2, nil),
			inSession(3, func(t *talk, req *kmsg.FetchRequest) { req.SessionID = 77 }), inSession(1, func(t *talk, req *kmsg.FetchRequest) { req.SessionID = 0 }), inSession(-5, nil), inSession(3, nil),
		}},
		{name: "fetch_session/closed", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10), p(1, 3)), inSession(-1, nil), inSession(1, nil), opening(p(0, 10)), inSession(-1, nil, p(1, 0)), inSession(1, nil),
			opening(p(0, 10)), inSession(0, nil, p(1, 3)), inSession(1, nil), fetching(func(req *kmsg.FetchRequest) { req.SessionID, req.SessionEpoch = 77, -1 }, p(1, 0)), fetching(func(req *kmsg.FetchRequest) { req.SessionID, req.SessionEpoch = 77, 0 }, p(1, 0)),
		}},
		{name: "fetch_session/errors", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 99), p(1, 3), p(9, 0), want{topic: "none"}), inSession(1, nil), inSession(2, nil, p(0, 10)), inSession(3, nil), inSession(4, forget("a", 9)), inSession(5, forget("none", 0)), inSession(6, nil), inSession(7, nil, p(1, 99)), inSession(8, nil), inSession(9, nil, p(1, 3)), inSession(10, nil),
		}},
		{name: "fetch_session/epochs", key: key, from: 9, setup: filled, steps: []goldenStep{
			opening(epoch(p(0, 10), 0)), inSession(1, nil, epoch(p(0, 10), 7)), inSession(2, nil), inSession(3, nil, epoch(p(0, 10), 0)), inSession(4, nil),
		}},
		{name: "fetch_session/topic_appears", key: key, from: from, to: 12, setup: filled, steps: []goldenStep{
			opening(p(0, 10), want{topic: "b"}), inSession(1, nil), step(func(t *talk) kmsg.Request { return createTopic(t, "b", 1, 1) }),
			{until: func(r kmsg.Response) bool { return allLed(r, 1) }, req: func(t *talk) kmsg.Request { return metadata(ptr(t.n("b"))) }}, inSession(2, nil), inSession(3, nil),
		}},
		{name: "fetch_session/topic_deleted", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10), want{topic: "e"}), inSession(1, nil), deleting("e"), inSession(2, nil), inSession(3, nil), inSession(4, forget("e", 0)), inSession(5, nil),
		}},
		{name: "fetch_session/names_and_ids", key: key, from: 12, to: 13, setup: filled, steps: []goldenStep{
			opening(p(0, 10)), inSession(1, other), inSession(1, nil), inSession(2, nil),
		}},
		{name: "fetch_session/rotation", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 0), p(1, 0), p(2, 0), p(3, 0)), inSession(1, limited(50)), inSession(2, limited(50)), inSession(3, limited(50)), inSession(4, limited(50)), inSession(5, limited(160)), inSession(6, limited(160)), inSession(7, nil, p(2, 0)), inSession(8, nil, p(3, 0), p(0, 0)),
		}},
		{name: "fetch_session/two_topics_between", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10), want{topic: "e"}, p(1, 3)), appending("a", 0), appending("e", 0), appending("a", 1), inSession(1, nil), inSession(2, nil),
		}},
		{name: "fetch_session/waits", key: key, from: from, setup: filled, steps: []goldenStep{
			opening(p(0, 10)), inSession(1, func(_ *talk, req *kmsg.FetchRequest) { req.MinBytes, req.MaxWaitMillis = 1, 50 }), inSession(2, func(_ *talk, req *kmsg.FetchRequest) { req.MinBytes, req.MaxWaitMillis = 1, 25_000 }, p(0, 9)),
		}},
	}
}
