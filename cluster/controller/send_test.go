package controller

import (
	"slices"
	"testing"

	"klamm/cluster/order"
	"klamm/protocol"
)

// TestOrdersArePartedIntoThoseOfLeadersAndFollowers: the two lists have each order once, and in its order.
func TestOrdersArePartedIntoThoseOfLeadersAndFollowers(t *testing.T) {
	var list []order.LeaderAndISR
	for i, leader := range []int32{1, 2, 1, 1, 3, 2, 1} {
		list = append(list, order.LeaderAndISR{TopicPartition: protocol.TopicPartition{Topic: "t", Partition: int32(i)}, Leader: leader})
	}
	numbers := func(list []order.LeaderAndISR) (n []int32) {
		for i := range list {
			n = append(n, list[i].Partition)
		}
		return n
	}
	lead, follow := split(list, 1)
	if !slices.Equal(numbers(lead), []int32{0, 2, 3, 6}) || !slices.Equal(numbers(follow), []int32{1, 4, 5}) {
		t.Errorf("leads %v, follows %v", numbers(lead), numbers(follow))
	}
}
