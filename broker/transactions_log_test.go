package broker_test

import (
	"strings"
	"testing"

	"klamm/broker/brokertest"
)

// TestLeadingTransactionsIsSaid: partitions of __transaction_state that came to a broker after its start were led in silence.
func TestLeadingTransactionsIsSaid(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("orders", 2)
	const said = "leads a partition of __transaction_state"
	if log := b.Log.String(); strings.Contains(log, said) {
		t.Errorf("before there is one: %s", log)
	}
	b.Topic("__transaction_state", 3)
	if n := strings.Count(b.Log.String(), said); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, b.Log.String())
	}
}
