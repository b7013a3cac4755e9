package data

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	orders "klamm/cluster/order"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/codes"
)

// An error of the disk that a reader meets takes the directory offline, whatever
// it was reading for, and the client is told what it is.
func TestDiskErrorsOfReadersTakeTheDirectoryOffline(t *testing.T) {
	for name, read := range map[string]func(s *Service, p *replica.Partition, fail func(vfs.OpKind)) error{
		"offset of a time": func(s *Service, p *replica.Partition, fail func(vfs.OpKind)) error {
			fail(vfs.OpRead)
			in := kmsg.ListOffsetsRequestTopicPartition{Timestamp: 1, CurrentLeaderEpoch: -1}
			_, err := s.findOffset(&kmsg.ListOffsetsRequest{ReplicaID: consumerReplicaID}, p.TopicPartition(), &in)
			return err
		},
		"offsets in the old form": func(s *Service, p *replica.Partition, fail func(vfs.OpKind)) error {
			fail(vfs.OpStat)
			in := kmsg.ListOffsetsRequestTopicPartition{Timestamp: 1, MaxNumOffsets: 1}
			out := s.oldOffset(&kmsg.ListOffsetsRequest{}, "t", &in, make(timesNamed))
			return kerr.ErrorForCode(out.ErrorCode)
		},
		"old fetch, while it converts": func(_ *Service, p *replica.Partition, fail func(vfs.OpKind)) error {
			region, err := p.Log().Read(0, 1<<20, 1, true)
			if err != nil {
				return err
			}
			defer region.Release()
			fail(vfs.OpRead)
			c := conversion{most: 1 << 20}
			return c.convert(&region)
		},
		"old fetch": func(s *Service, p *replica.Partition, fail func(vfs.OpKind)) error {
			f := fetchContext{server: s, targets: make([]fetchTarget, 1)}
			f.req.ReplicaID = consumerReplicaID
			f.targets[0] = fetchTarget{name: "t", maxBytes: 1 << 20, leaderEpoch: -1, lastFetchedEpoch: -1}
			fail(vfs.OpRead)
			return kerr.ErrorForCode(f.readPartition(&f.targets[0], new(fetchResult), 1<<20, true))
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			store, err := logstore.OpenStore(logstore.StoreOptions{
				Dirs: []string{"/d"}, FS: disk, BrokerID: 1, ClusterID: "c", Defaults: logstore.DefaultConfig(), ReserveBytes: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close(context.Background()) })
			m := replica.NewManager(replica.Options{Store: store, BrokerID: 1, Resolve: func(map[string]string) *replica.Config {
				return &replica.Config{Log: logstore.DefaultConfig(), DownConvert: true}
			}})
			tp := protocol.TopicPartition{Topic: "t"}
			lead := orders.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{1}, Leader: 1, ISR: []int32{1}, Replicas: []int32{1}, IsNew: true}
			answer := m.LeaderAndISR(&orders.LeaderAndISRRequest{Partitions: []orders.LeaderAndISR{lead}}, func(string) map[string]string { return nil })
			if err := answer.At(0); err != nil {
				t.Fatal(err)
			}
			p, err := m.Partition(tp)
			if err != nil {
				t.Fatal(err)
			}
			builder := batch.NewBuilder(batch.None)
			builder.Add(1, nil, make([]byte, 1000))
			data, err := builder.Build()
			if err != nil {
				t.Fatal(err)
			}
			h, err := batch.ParseHeader(data)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Append([]logstore.Append{{Data: data, Header: h}}, 1, 1); err != nil {
				t.Fatal(err)
			}
			err = read(&Service{replicas: m, now: time.Now}, p, func(kind vfs.OpKind) {
				disk.Fail(vfs.Rule{Kind: kind, Path: "*.log", Err: syscall.EIO})
			})
			if code := codes.Of(err); code != kerr.KafkaStorageError.Code {
				t.Errorf("the client is told %d: %v", code, err)
			}
			if _, err := store.Get(tp); !errors.As(err, new(*logstore.DirError)) {
				t.Errorf("the directory goes on: %v", err)
			}
		})
	}
}
