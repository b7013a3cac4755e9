package metrics

import (
	"klamm/observe"
)

// topicCounters are the meters of kafka.server:type=BrokerTopicMetrics that have a topic.
var topicCounters = [...]struct {
	counter    observe.TopicCounter
	name, help string
}{
	{observe.MessagesIn, "messagesin", "Records that producers sent"},
	{observe.BytesIn, "bytesin", "Bytes of batches that producers sent"},
	{observe.BytesOut, "bytesout", "Bytes of batches that consumers fetched"},
	{observe.BytesRejected, "bytesrejected", "Bytes of batches that were refused since they are too large"},
	{observe.ProduceRequests, "totalproducerequests", "Partitions in Produce requests"},
	{observe.FetchRequests, "totalfetchrequests", "Partitions that Fetch requests read"},
	{observe.FailedProduceRequests, "failedproducerequests", "Partitions in Produce requests that failed"},
	{observe.FailedFetchRequests, "failedfetchrequests", "Partitions in Fetch requests that failed"},
	{observe.ProduceConversions, "producemessageconversions", "Batches that were made of messages of an old format"},
	{observe.FetchConversions, "fetchmessageconversions", "Reads whose records were converted to an old format"},
	{observe.NoKeyInCompacted, "nokeycompactedtopicrecords", "Records without a key for which a compacted topic refused a batch"},
	{observe.InvalidCRC, "invalidmessagecrcrecords", "Batches that were refused since they are corrupt"},
	{observe.InvalidSequence, "invalidoffsetorsequencerecords", "Batches that were refused for their offsets or sequence"},
}

// topics are the counters of clients' traffic: of each topic, and without the label of all.
func (s *scrape) topics() {
	list, all := s.Observer().TopicCounts()
	byTopic := make([]string, len(list))
	for i := range list {
		byTopic[i] = labels("topic", list[i].Topic)
	}
	for _, c := range topicCounters {
		family := s.counter("kafka_server_brokertopicmetrics_"+c.name+"_total", c.help)
		family.addInt(all[c.counter])
		for i := range list {
			if n := list[i].TopicCounts[c.counter]; n > 0 { // as in the reference, a topic has a series from its first event on
				family.addInt(n, byTopic[i])
			}
		}
	}
	for _, c := range [...]struct {
		counter    observe.BrokerCounter
		name, help string
	}{
		{observe.ReplicationBytesIn, "replicationbytesin", "Bytes of batches that followers here copied from leaders"},
		{observe.ReplicationBytesOut, "replicationbytesout", "Bytes of batches that followers elsewhere copied from here"},
		{observe.ReassignmentBytesIn, "reassignmentbytesin", "Bytes of batches copied here for reassignments"},
		{observe.ReassignmentBytesOut, "reassignmentbytesout", "Bytes of batches copied from here for reassignments"},
	} {
		s.counter("kafka_server_brokertopicmetrics_"+c.name+"_total", c.help).addInt(s.Observer().Count(c.counter))
	}
}
