package harness

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// awaitMetadata asks the port until a broker answers Metadata with a broker
// and a controller in it, the process ends or ctx does. Unless listed is empty, the
// broker with that address must be among the brokers.
func awaitMetadata(ctx context.Context, addr, listed string, p *process) error {
	var last error
	for {
		if p != nil && p.ended() {
			code, _ := p.wait(time.Second)
			return fmt.Errorf("harness: the broker ended with exit code %d before it answered", code)
		}
		err := askMetadata(ctx, addr, listed)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("harness: no Metadata answer from %s: %w", addr, errors.Join(ctx.Err(), last))
		}
		last = err
		pause()
	}
}

// askMetadata asks once, and says what is missing in the answer.
func askMetadata(ctx context.Context, addr, listed string) error {
	m, err := metadataOf(ctx, addr)
	if err != nil {
		return err
	}
	if len(m.Brokers) == 0 || m.ControllerID < 0 {
		return fmt.Errorf("%d brokers, controller %d", len(m.Brokers), m.ControllerID)
	}
	for _, b := range m.Brokers {
		if listed == "" || fmt.Sprintf("%s:%d", b.Host, b.Port) == listed {
			return nil
		}
	}
	return fmt.Errorf("%s is not among the brokers %v", listed, m.Brokers)
}

// metadataOf asks a broker for the brokers and the controller, over a connection of its own.
func metadataOf(ctx context.Context, addr string) (*kmsg.MetadataResponse, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequestRetries(0), kgo.RetryTimeout(2*time.Second),
		kgo.DialTimeout(time.Second))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return nil, err
	}
	return resp.(*kmsg.MetadataResponse), nil
}

// Await waits until a condition holds, and fails the test if it does not for long.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(readyWithin); !holds(); pause() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %s", what, readyWithin)
		}
	}
}
