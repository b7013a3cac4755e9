package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// awaitMetadata asks the port until a broker answers Metadata with a broker
// and a controller in it, the process ends or ctx does.
func awaitMetadata(ctx context.Context, addr string, p *process) error {
	var last error
	for {
		if p != nil && p.ended() {
			code, _ := p.wait(time.Second)
			return fmt.Errorf("harness: the broker ended with exit code %d before it answered", code)
		}
		err := askMetadata(ctx, addr)
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

// askMetadata asks once, over a connection of its own.
func askMetadata(ctx context.Context, addr string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RequestRetries(0), kgo.RetryTimeout(2*time.Second),
		kgo.DialTimeout(time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return err
	}
	m := resp.(*kmsg.MetadataResponse)
	if len(m.Brokers) == 0 || m.ControllerID < 0 {
		return fmt.Errorf("%d brokers, controller %d", len(m.Brokers), m.ControllerID)
	}
	return nil
}
