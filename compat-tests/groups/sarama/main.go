// Sarama joins a consumer group with github.com/IBM/sarama, for the tests in compat-tests/groups. It is a module of its own,
// so that the broker's module does not need a client's dependencies.
//
//	sarama ADDRESS GROUP TOPIC SESSION_MS range|roundrobin|sticky
//
// It says on stdout what happens to it, as the clients for aiokafka and kafkajs do:
//
//	has 0 2          the partitions that it has from now on
//	record 2 value   a record of partition 2 that it consumed
//	away ...         it has lost a broker, and goes on: must not happen where no broker is restarted
//	error ...        something that must not happen
//
// It leaves on SIGTERM.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

func main() {
	if err := consume(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func consume(address, group, topic, sessionMs, assignor string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	session, err := time.ParseDuration(sessionMs + "ms")
	if err != nil {
		return err
	}
	config := sarama.NewConfig()
	config.Consumer.Group.Session.Timeout = session
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.MaxWaitTime = 200 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{map[string]sarama.BalanceStrategy{
		"range":      sarama.NewBalanceStrategyRange(),
		"roundrobin": sarama.NewBalanceStrategyRoundRobin(),
		"sticky":     sarama.NewBalanceStrategySticky(),
	}[assignor]}
	client, err := sarama.NewConsumerGroup(strings.Split(address, ","), group, config)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		switch err := client.Consume(ctx, []string{topic}, member{topic}); {
		case err == nil, errors.Is(err, context.Canceled):
		case lost(err):
			fmt.Println("away", err)
			time.Sleep(100 * time.Millisecond) // Consume goes on with the coordinator that it knows, and fails at once
		default:
			fmt.Println("error", err)
		}
	}
	err = client.Close()
	if lost(err) {
		fmt.Println("away", err) // it asks once to leave
		return nil
	}
	return err
}

// lost says whether a broker was away, or does not coordinate the group any more.
func lost(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, sarama.ErrNotCoordinatorForConsumer) ||
		errors.Is(err, sarama.ErrOffsetsLoadInProgress) || errors.Is(err, sarama.ErrConsumerCoordinatorNotAvailable)
}

// member is the client's part in one generation of the group.
type member struct{ topic string }

// Setup implements sarama.ConsumerGroupHandler.
func (m member) Setup(s sarama.ConsumerGroupSession) error {
	fmt.Println("has", strings.Trim(fmt.Sprint(s.Claims()[m.topic]), "[]"))
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler.
func (m member) Cleanup(s sarama.ConsumerGroupSession) error {
	s.Commit()
	fmt.Println("has")
	return nil
}

// ConsumeClaim implements sarama.ConsumerGroupHandler. It runs for each partition by itself.
func (m member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-s.Context().Done():
			return nil
		case <-again.C:
			s.Commit() // what was marked and could not be committed
		case r, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			fmt.Println("record", r.Partition, string(r.Value))
			s.MarkMessage(r, "")
			if len(claim.Messages()) == 0 {
				s.Commit()
			}
		}
	}
}
