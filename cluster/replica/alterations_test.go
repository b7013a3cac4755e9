package replica

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"klamm/cluster/order"
	"klamm/protocol"
)

// TestNewISRChangeHasNoOlderOneAskedEarlier: each change of one partition's ISR had those of others asked again at once that the controller had
// refused, however long they had to wait.
func TestNewISRChangeHasNoOlderOneAskedEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		f := newFixture(t, nil)
		began := time.Now()
		f.manager.o.AlterPartition = func(_ context.Context, changes []order.AlterPartition) ([]order.AlterPartitionResult, error) {
			at := ""
			for _, c := range changes {
				at += " " + c.TopicPartition.String()
			}
			asked = append(asked, fmt.Sprint(time.Since(began).Milliseconds(), at))
			return nil, errors.New("no controller")
		}
		for i := range int32(3) {
			tp := protocol.TopicPartition{Topic: "u", Partition: i}
			lead := order.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{7}, Leader: 1, LeaderEpoch: 1, ISR: []int32{1}, Replicas: []int32{1, 2}, IsNew: true}
			if err := give(f.manager, nil, lead); err != nil {
				t.Fatal(err)
			}
			p, err := f.manager.Partition(tp)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.UpdateFollower(FollowerFetch{Replica: 2, LeaderEpoch: 1}, f.manager.NowMs()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond) // no time passes in the bubble but what is slept
			synctest.Wait()
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if got, want := fmt.Sprint(asked), "[0 u-0 20 u-1 40 u-2 50 u-0 70 u-1 90 u-2]"; got != want {
			t.Errorf("asked at these times in ms: %s, want %s", got, want)
		}
		f.manager.Close()
		_ = f.store.Close(t.Context())
	})
}
