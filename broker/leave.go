package broker

import (
	"context"
	"log/slog"
	"time"
)

// leaveTimeout is how long a stop waits for a controller that does not answer: whoever stops the broker may end it outright after
// some seconds, and then nothing would have been written cleanly.
const leaveTimeout = 5 * time.Second

// leave has the controller move this broker's leaderships away before it stops, so that clients find the new leaders at once (controlled
// shutdown, KafkaServer.controlledShutdown). It asks as often as the configuration says, and gives up when no controller answers.
func (b *Broker) leave(ctx context.Context) {
	v := b.config.Current()
	if !b.o.Tree.Shared() || !v.Bool("controlled.shutdown.enable") {
		return
	}
	pause := time.Duration(v.Long("controlled.shutdown.retry.backoff.ms")) * time.Millisecond
	for left := v.Int("controlled.shutdown.max.retries"); left > 0; left-- {
		asking, cancel := context.WithCancel(ctx)
		giveUp := b.o.After(leaveTimeout, cancel)
		remaining, err := b.cluster.LeaveLeaderships(asking)
		unanswered := asking.Err() != nil
		giveUp()
		cancel()
		switch {
		case err == nil && len(remaining) == 0:
			b.logger.Info("the controller has moved this broker's leaderships")
			return
		case unanswered:
			b.logger.Warn("the broker stops without a word of the controller, which does not answer", "error", err)
			return
		case left == 1, len(b.cluster.Metadata().Brokers) < 2: // there is no other broker that could lead
			b.logger.Warn("the broker stops though it leads partitions", "partitions", len(remaining), errorIfAny(err))
			return
		}
		b.logger.Info("the controller could not move all leaderships; it is asked again", "partitions", len(remaining), errorIfAny(err))
		if !b.pause(ctx, pause) {
			return
		}
	}
}

// errorIfAny returns an attribute of a log line, which is left out if there is no error.
func errorIfAny(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.Any("error", err)
}

// pause waits. It returns false if ctx ended before.
func (b *Broker) pause(ctx context.Context, d time.Duration) bool {
	over := make(chan struct{})
	defer b.o.After(d, func() { close(over) })()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}
