package dumplog

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// states are the names of transactions' states by their numbers (TransactionState).
var states = []string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}

// Transactions is the parser of the records of __transaction_state.
func Transactions(r *Record) (key, value *string, err error) {
	if len(r.Key) < 2 {
		return nil, nil, &javalib.Exception{Class: "java.nio.BufferUnderflowException"}
	}
	var k kmsg.TxnMetadataKey
	if version := int16(binary.BigEndian.Uint16(r.Key)); version != 0 {
		unknown := fmt.Sprintf("unknown::version=%d", version)
		return &unknown, nil, nil
	}
	if err := k.ReadFrom(r.Key); err != nil {
		return nil, nil, err
	}
	name, said := "transaction_metadata::transactionalId="+k.TransactionalID, "<DELETE>"
	if r.Value == nil {
		return &name, &said, nil
	}
	var v kmsg.TxnMetadataValue
	if err := v.ReadFrom(r.Value); err != nil {
		return nil, nil, err
	}
	if v.State < 0 || int(v.State) >= len(states) {
		return nil, nil, &javalib.Exception{Class: "java.lang.IllegalStateException", Message: fmt.Sprintf("Unknown transaction state id %d from the transaction status message", v.State)}
	}
	said = fmt.Sprintf("producerId:%d,producerEpoch:%d,state=%s,partitions=%s,txnLastUpdateTimestamp=%d,txnTimeoutMs=%d", v.ProducerID, v.ProducerEpoch,
		states[v.State], partitionsOf(&v), v.LastUpdateTimestamp, v.TimeoutMillis)
	return &name, &said, nil
}

// partitionsOf gives the partitions of a transaction in the order of a JVM's set.
func partitionsOf(v *kmsg.TxnMetadataValue) string {
	var all []javalib.TopicPartition
	if v.State != 0 {
		for _, t := range v.Topics {
			for _, p := range t.Partitions {
				all = append(all, javalib.TopicPartition{Topic: t.Topic, Partition: p})
			}
		}
	}
	var names []string
	for _, tp := range javalib.SetOf(javalib.TopicPartition.Hash, all).Keys() {
		names = append(names, tp.String())
	}
	return "[" + strings.Join(names, ",") + "]"
}
