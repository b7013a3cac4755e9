package compare

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// spare are topics that requests may change and delete; each is made again
// before the next question when it is not as it was.
var spare = map[string]int32{"new-1": 1, "new-2": 2}

// changer is how the requests of an API that changes topics or settings are asked.
type changer struct {
	topics bool // the spare topics are there before each question
	// settle compares what the question has left behind, and takes it back.
	settle func(p *pair, q question)
	// unless says by the answers that the question left nothing behind.
	unless func(q question, klamm, apache outcome) bool
}

// changers are the APIs that change topics, settings or records.
var changers = map[kmsg.Key]changer{
	kmsg.CreateTopics:            {settle: (*pair).settleTopics},
	kmsg.DeleteTopics:            {settle: (*pair).settleTopics, topics: true},
	kmsg.CreatePartitions:        {settle: (*pair).settleTopics, topics: true},
	kmsg.AlterConfigs:            {settle: (*pair).settleConfigs, unless: nothingSet},
	kmsg.IncrementalAlterConfigs: {settle: (*pair).settleConfigs, unless: nothingSet},
	kmsg.DeleteRecords:           {settle: (*pair).settleRecords},
	kmsg.Produce:                 {settle: (*pair).settleRecords},
}

// change asks a question that may change something, compares what is there
// then, and takes it back.
func (p *pair) change(q question) {
	c := changers[kmsg.Key(q.key)]
	if c.topics {
		p.both(func(s *side) error { return s.ensureSpare() })
	}
	k, a := p.ask(q)
	if k.end == closed && a.end == closed || c.unless != nil && c.unless(q, k, a) {
		return
	}
	c.settle(p, q)
}

// ensureSpare makes the spare topics that are not as they should be.
func (s *side) ensureSpare() error {
	counts, err := s.learn()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(spare)) {
		if counts[name] == int(spare[name]) {
			continue
		}
		if counts[name] > 0 {
			err = s.remove(name)
		} else {
			err = s.awaitGone([]string{name})
		}
		if err != nil {
			return err
		}
		if err := s.make(baseTopic{name: name, partitions: spare[name]}); err != nil {
			return err
		}
	}
	_, err = s.learn()
	return err
}

// remove deletes topics and waits until they are gone.
func (s *side) remove(names ...string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 30000
	req.TopicNames = names
	if _, err := s.call(req, 5); err != nil {
		return err
	}
	return s.awaitGone(names)
}

// awaitGone waits until topics can be created again. The reference drops them from its
// metadata some time before that.
func (s *side) awaitGone(names []string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis, req.ValidateOnly = 30000, true
	for _, n := range names {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = n, 1, 1
		req.Topics = append(req.Topics, rt)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		resp, err := s.call(req, 4)
		if err != nil {
			return err
		}
		there := func(t kmsg.CreateTopicsResponseTopic) bool { return t.ErrorCode == topicAlreadyExists }
		if !slices.ContainsFunc(resp.(*kmsg.CreateTopicsResponse).Topics, there) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: topics %v do not go away", s.name, names)
		}
	}
}

const topicAlreadyExists = 36

// pause is how long to wait before a broker is asked again for what it does in
// its own time.
const pause = 5 * time.Millisecond

// steadily asks a question until both answer alike, and compares the last answers:
// the reference does some things after it has answered.
func (p *pair) steadily(q question) {
	for deadline := time.Now().Add(patience / 4); time.Now().Before(deadline); time.Sleep(pause) {
		var trees [2]any
		p.both(func(s *side) error {
			if _, err := s.learn(); err != nil {
				return err
			}
			o := s.ask(q)
			if s == p.klamm {
				trees[0] = s.tree(o)
			} else {
				trees[1] = s.tree(o)
			}
			return nil
		})
		unknown := slices.DeleteFunc(compare(trees[0], trees[1], ""), func(g gap) bool { return p.isKnown(q, g) })
		if len(unknown) == 0 {
			break
		}
	}
	p.ask(q)
}

// settleTopics compares the topics, with their settings, and removes those that
// were made.
func (p *pair) settleTopics(q question) {
	p.steadily(asked(metadataOf(nil), 11, q))
	made := p.made()
	if len(made) > 0 {
		p.ask(asked(describeTopics(made...), 4, q))
		p.both(func(s *side) error { return s.remove(made...) })
	}
}

// made gives the topics on either side that are neither base topics nor spare ones.
func (p *pair) made() []string {
	all := map[string]bool{}
	counts := make([]map[string]int, 2)
	p.both(func(s *side) (err error) {
		i := 0
		if s == p.apache {
			i = 1
		}
		counts[i], err = s.learn()
		return err
	})
	for _, c := range counts {
		for name := range c {
			all[name] = true
		}
	}
	for _, t := range slices.Concat(baseTopics(), recordTopics()) {
		delete(all, t.name)
	}
	for name := range spare {
		delete(all, name)
	}
	delete(all, "__consumer_offsets")
	return slices.Sorted(maps.Keys(all))
}

// asked makes a question about what another question has left behind.
func asked(req kmsg.Request, version int16, about question) question {
	req.SetVersion(version)
	name := kmsg.NameForKey(about.key)
	return question{key: req.Key(), version: version, body: req.AppendTo(nil), req: req,
		how: "after " + name, after: fmt.Sprintf("%s v%d %s", name, about.version, about.readable())}
}

func metadataOf(names []string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	for _, n := range names {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &n
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func describeTopics(names ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = true
	for _, n := range names {
		addResource(req, kmsg.ConfigResourceTypeTopic, n)
	}
	return req
}

func addResource(req *kmsg.DescribeConfigsRequest, kind kmsg.ConfigResourceType, name string, configs ...string) {
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, configs
	req.Resources = append(req.Resources, r)
}

// describeChanged asks for the settings of what can be set.
func describeChanged() *kmsg.DescribeConfigsRequest {
	req := describeTopics("alpha", "conf")
	addResource(req, kmsg.ConfigResourceTypeBroker, "0")
	addResource(req, kmsg.ConfigResourceTypeBroker, "")
	return req
}

// settleConfigs compares the settings of what can be set, and takes them back.
func (p *pair) settleConfigs(q question) {
	p.steadily(asked(describeChanged(), 4, q))
	p.both(func(s *side) error {
		for {
			left, err := s.unset(describeChanged())
			if err != nil || !left {
				return err
			}
			time.Sleep(pause)
		}
	})
}

// nothingSet says that no answer tells of a setting that was changed.
func nothingSet(q question, klamm, apache outcome) bool {
	switch req := q.req.(type) {
	case *kmsg.AlterConfigsRequest:
		if req.ValidateOnly {
			return true
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		if req.ValidateOnly {
			return true
		}
	}
	for _, o := range []outcome{klamm, apache} {
		switch resp := o.resp.(type) {
		case *kmsg.AlterConfigsResponse:
			if slices.ContainsFunc(resp.Resources, func(r kmsg.AlterConfigsResponseResource) bool { return r.ErrorCode == 0 }) {
				return false
			}
		case *kmsg.IncrementalAlterConfigsResponse:
			if slices.ContainsFunc(resp.Resources, func(r kmsg.IncrementalAlterConfigsResponseResource) bool { return r.ErrorCode == 0 }) {
				return false
			}
		}
	}
	return true
}

// unset deletes every setting of the resources but those of the base. left says that
// there were some.
func (s *side) unset(all *kmsg.DescribeConfigsRequest) (left bool, err error) {
	resp, err := s.call(all, 4)
	if err != nil {
		return false, err
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, r := range resp.(*kmsg.DescribeConfigsResponse).Resources {
		rr := kmsg.NewIncrementalAlterConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = r.ResourceType, r.ResourceName
		for _, c := range r.Configs {
			dynamic := c.Source == kmsg.ConfigSourceDynamicTopicConfig && r.ResourceType == kmsg.ConfigResourceTypeTopic ||
				c.Source == kmsg.ConfigSourceDynamicBrokerConfig && r.ResourceName != "" ||
				c.Source == kmsg.ConfigSourceDynamicDefaultBrokerConfig && r.ResourceName == ""
			if dynamic {
				cc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
				cc.Name, cc.Op = c.Name, kmsg.IncrementalAlterConfigOpDelete
				rr.Configs = append(rr.Configs, cc)
			}
		}
		if len(rr.Configs) > 0 {
			req.Resources = append(req.Resources, rr)
		}
	}
	if len(req.Resources) == 0 {
		return false, nil
	}
	_, err = s.call(req, 1)
	return true, err
}

// settleRecords compares where the logs begin and end, and now and then what is
// in them.
func (p *pair) settleRecords(q question) {
	for _, timestamp := range []int64{-2, -1} {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		for _, t := range recordTopics() {
			rt := kmsg.NewListOffsetsRequestTopic()
			rt.Topic = t.name
			for i := range t.partitions {
				rp := kmsg.NewListOffsetsRequestTopicPartition()
				rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = i, timestamp, -1
				rt.Partitions = append(rt.Partitions, rp)
			}
			req.Topics = append(req.Topics, rt)
		}
		p.ask(asked(req, 7, q))
	}
}

// recordTopics are the topics that requests write to and delete records of.
func recordTopics() []baseTopic {
	return []baseTopic{
		{name: "rec", partitions: 2, batches: [][]byte{batch(nil, 1000, 1001), batch(nil, 1002)}},
		{name: "rec-compact", partitions: 1, configs: []string{"cleanup.policy", "compact"}},
		{name: "rec-now", partitions: 1, configs: []string{"message.timestamp.type", "LogAppendTime"}},
		{name: "rec-small", partitions: 1, configs: []string{"max.message.bytes", "120"}},
		{name: "rec-late", partitions: 1, configs: []string{"message.timestamp.before.max.ms", "1000", "message.timestamp.after.max.ms", "1000"}},
	}
}
