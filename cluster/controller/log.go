package controller

import (
	"errors"

	"klamm/cluster/order"
)

// logTopics tells which topics came and went, one line each, and who asked for that.
func (c *Controller) logTopics(e Event) {
	switch e := e.(type) {
	case *CreateTopics:
		for i := range e.Results {
			if res := &e.Results[i]; !e.ValidateOnly && wasDone(res.Err) {
				c.logTopic("topic created", e.AskedBy, "topic", res.Name, "id", res.ID, "partitions", res.Partitions,
					"replication_factor", res.ReplicationFactor)
			}
		}
	case *CreatePartitions:
		for i := range e.Results {
			if res := &e.Results[i]; !e.ValidateOnly && wasDone(res.Err) {
				c.logTopic("partitions created", e.AskedBy, "topic", res.Name, "id", res.ID, "partitions", res.Partitions)
			}
		}
	case *DeleteTopics:
		for _, t := range e.begun {
			c.logTopic("topic deleted", e.AskedBy, "topic", t.name, "id", t.id, "partitions", t.partitions)
			// To the client it is done: the topic is not shown any more.
			if c.state != nil && c.state.Deleting[t.name] != nil {
				c.o.Logger.Warn("topic deletion waits for its replicas", "topic", t.name, "brokers", c.state.waitingFor(t.name))
			}
		}
	}
}

func (c *Controller) logTopic(msg, askedBy string, attrs ...any) {
	if askedBy != "" {
		attrs = append(attrs, "by", askedBy)
	}
	c.o.Logger.Info(msg, attrs...)
}

// wasDone says whether a topic was created: one that has no leader in time is there as well.
func wasDone(err error) bool {
	return err == nil || errors.Is(err, order.ErrTimedOut)
}

// logAnswers tells of orders that failed, and of those that went well after all.
func (c *Controller) logAnswers(e *OrdersAnswered) {
	for i := range e.Lead {
		o, err := &e.Lead[i], errorAt(e.LeadErrs, i)
		was, failed := c.state.Failures.Lead[Replica{e.Broker, o.TopicPartition}]
		switch {
		case err == nil && failed:
			c.o.Logger.Info("partition is online again", "partition", o.TopicPartition, "attempts", was.Attempts+1)
		case err == nil || failed && was.Err.Error() == err.Error(): // said already
		case o.IsNew:
			c.o.Logger.Error("partition cannot be created", "partition", o.TopicPartition, "error", err)
		case order.IsTransient(err):
			c.o.Logger.Warn("partition is offline, and is tried again", "partition", o.TopicPartition, "error", err)
		default:
			c.o.Logger.Error("partition is offline until the broker is started again", "partition", o.TopicPartition, "error", err)
		}
	}
	for i := range e.Stop {
		if err := errorAt(e.StopErrs, i); err != nil {
			c.o.Logger.Error("partition could not be deleted", "partition", e.Stop[i].TopicPartition, "error", err)
		}
	}
}
