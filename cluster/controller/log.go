package controller

// logTopics tells which topics came and went, one line each, and who asked for that.
func (c *Controller) logTopics(e Event) {
	switch e := e.(type) {
	case *CreateTopics:
		for i := range e.Results {
			if res := &e.Results[i]; !e.ValidateOnly && wasDone(res.Err) {
				c.logTopic("topic created", e.AskedBy, "topic", res.Name, "topic_id", res.ID, "partitions", res.Partitions,
					"replication_factor", res.ReplicationFactor)
			}
		}
	case *CreatePartitions:
		for i := range e.Results {
			if res := &e.Results[i]; !e.ValidateOnly && wasDone(res.Err) {
				c.logTopic("partitions created", e.AskedBy, "topic", res.Name, "topic_id", res.ID, "partitions", res.Partitions)
			}
		}
	case *DeleteTopics:
		for _, t := range e.begun {
			c.logTopic("topic deleted", e.AskedBy, "topic", t.name, "topic_id", t.id, "partitions", t.partitions)
			// To the client it is done: the topic is not shown any more.
			if left := c.state.topics[t.name]; left != nil && left.id == t.id {
				c.o.Logger.Warn("topic deletion waits for its replicas", "topic", t.name, "brokers", left.waitsFor())
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
