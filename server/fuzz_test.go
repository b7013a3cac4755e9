package server_test

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// FuzzRequests sends bodies of any bytes to each API but those that make
// partitions, which would fill the disk, and Fetch, which may be told to wait
// for weeks. Whatever comes, the connection is
// answered or closed, and the broker answers the next one.
func FuzzRequests(f *testing.F) {
	addr := startBroker(f, "auto.create.topics.enable=false")
	seeded := make(map[int16]bool)
	seed := func(req kmsg.Request) {
		api, _ := protocol.Lookup(req.Key())
		seeded[req.Key()] = true
		for v := api.Min; v <= api.Max; v++ {
			req.SetVersion(v)
			f.Add(req.Key(), v, req.AppendTo(nil))
		}
	}
	for _, req := range []kmsg.Request{
		metadata(ptr("t"), ptr("u")), listOffsets("t", 0, -1), deleteTopics("t"), deleteRecords("t", 0, 1), offsetForEpoch("t", 0, 0, 0),
		describe(ofTopic, "t", "retention.ms"), alter(ofTopic, "t", "retention.ms", "1"), incremental(ofBroker, "0", set("log.retention.ms", "1"), subtract("x", "y")),
		describePartitions("t"), produce("t", 0, 1, 0, 1000, 2000), kmsg.NewPtrInitProducerIDRequest(), kmsg.NewPtrDescribeProducersRequest(),
		kmsg.NewPtrDescribeLogDirsRequest(), kmsg.NewPtrDescribeClusterRequest(), kmsg.NewPtrListConfigResourcesRequest(), kmsg.NewPtrApiVersionsRequest(),
	} {
		seed(req)
	}
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		api, ok := protocol.Lookup(key)
		if !ok || !seeded[key] || version < api.Min || version > api.Max {
			return
		}
		w := dial(t, addr)
		defer w.close()
		if err := w.raw(key, version, body); err != nil {
			t.Fatal(err)
		}
		// The answer to this comes behind the other, or the connection is closed.
		versions := kmsg.NewPtrApiVersionsRequest()
		w.correlation = 41
		if err := w.send(versions); err != nil {
			return // closed
		}
		if !w.answeredOrClosed(42) {
			t.Fatalf("%s v%d: neither an answer nor the end of the connection\n%x", api.Name, version, bytes.TrimSpace(body))
		}
		ask[*kmsg.ApiVersionsResponse](t, addr, kmsg.NewPtrApiVersionsRequest(), 0)
	})
}
