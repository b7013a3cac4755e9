package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// Refusal is what a shared tree has that a broker of klamm cannot do its part in, where its silence would be noticed too late.
type Refusal struct {
	// Path is the node.
	Path string
	// Found is what stands there, and Do what to do about it.
	Found, Do string
}

// Error gives the three in one line.
func (r *Refusal) Error() string { return r.Path + ": " + r.Found + "; " + r.Do }

// RefusalNodes lists the nodes that Refusals takes, in its order.
func RefusalNodes() []string { return []string{znode.TopicPath(TransactionsTopic), znode.Controller} }

// Refusals says what keeps a broker with this id from starting. nodes are those of RefusalNodes. A node that is missing or cannot be read
// refuses nothing.
func Refusals(broker int32, nodes []meta.Node) (found []*Refusal) {
	if nodes[0].Err == nil {
		if r := refuseTransactions(broker, nodes[0].Data); r != nil {
			found = append(found, r)
		}
	}
	if nodes[1].Err == nil {
		if epoch, err := znode.DecodeKRaftEpoch(nodes[1].Data); err == nil && epoch >= 0 {
			found = append(found, &Refusal{Path: znode.Controller,
				Found: fmt.Sprintf("the controller is one of KRaft (kraftControllerEpoch %d), since the cluster is on its way to KRaft", epoch),
				Do:    "revert the migration first: klamm takes orders from a controller in ZooKeeper alone"})
		}
	}
	return found
}

// refuseTransactions refuses replicas of __transaction_state: a leader of one of its partitions coordinates transactions, and clients and
// brokers would ask this one again and again. A follower is the leader as soon as the leader dies.
func refuseTransactions(broker int32, data []byte) *Refusal {
	topic, err := znode.DecodeTopic(TransactionsTopic, data)
	if err != nil {
		return nil
	}
	var here []int32
	for _, p := range topic.Partitions {
		if slices.Contains(p.Replicas, broker) {
			here = append(here, p.Partition)
		}
	}
	if len(here) == 0 {
		return nil
	}
	return &Refusal{
		Path: znode.TopicPath(TransactionsTopic),
		Found: fmt.Sprintf("this broker, %d, has replicas of the partitions %s, and would coordinate their transactions when it leads them, which klamm does "+
			"not do yet", broker, Ranges(here)),
		Do: "move them to other brokers first with kafka-reassign-partitions.sh, or delete the topic if nobody uses transactions any more",
	}
}

// Ranges writes sorted numbers as a person does: 0-3, 7.
func Ranges(sorted []int32) string {
	var parts []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		part := strconv.Itoa(int(sorted[i]))
		if j > i {
			part += "-" + strconv.Itoa(int(sorted[j]))
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// JoinRefusals makes one error of all refusals, nil if there is none.
func JoinRefusals(found []*Refusal) error {
	var errs []error
	for _, r := range found {
		errs = append(errs, r)
	}
	return errors.Join(errs...)
}
