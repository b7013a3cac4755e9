package data_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/protocol/batch"
)

// Clients do not write to internal topics, whatever their batches are like: so
// 3.9.2 and 4.4.0 answer. Administrative tools may.
func TestInternalTopicsTakeNoRecords(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("__consumer_offsets", 1, "cleanup.policy=compact")
	keyed := batch.NewBuilder(batch.None)
	keyed.Add(1000, []byte("k"), nil)
	good, err := keyed.Build()
	if err != nil {
		t.Fatal(err)
	}
	noKey := brokertest.BatchOf(t, 10)
	broken := append([]byte(nil), good...)
	broken[len(broken)-1]++ // the CRC does not match
	ask := func(c *brokertest.Client, acks int16, records []byte) kmsg.ProduceResponseTopicPartition {
		return c.Ask(brokertest.Produce("__consumer_offsets", 0, acks, records)).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	}
	for _, tc := range []struct {
		name    string
		acks    int16
		records []byte
		want    int16
	}{
		{"a good batch", -1, good, 17}, {"no key", 1, noKey, 17}, {"a wrong CRC", 1, broken, 17},
		{"acks 7", 7, good, 21}, {"no batch", 1, []byte{}, 87},
	} {
		if got := ask(b.Dial(), tc.acks, tc.records); got.ErrorCode != tc.want || got.LogStartOffset != -1 {
			t.Errorf("%s: error %d, log start offset %d; want %d and -1", tc.name, got.ErrorCode, got.LogStartOffset, tc.want)
		}
	}
	admin := b.Dial()
	admin.Format = kmsg.NewRequestFormatter(kmsg.FormatterClientID("__admin_client"))
	if got := ask(admin, 1, good); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Errorf("an administrative tool: %+v", got)
	}
}
