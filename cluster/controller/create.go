package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// createTopics grants or refuses each topic; the checks come in the order of ZkAdminManager and AdminZkClient of 3.9.
func (s *State) createTopics(d *Decision, r *Rules, e *CreateTopics) {
	e.Results = make([]TopicResult, len(e.Topics))
	granted := 0
	for i := range e.Topics {
		n, res := &e.Topics[i], &e.Results[i]
		res.Name = n.Name
		replicas, configs, err := s.checkNewTopic(r, n, granted)
		if err != nil {
			res.Err = err
			continue
		}
		granted += len(replicas)
		res.Partitions, res.ReplicationFactor = int32(len(replicas)), int16(len(replicas[0].Replicas))
		if e.ValidateOnly {
			continue
		}
		if res.Err = r.room(); res.Err != nil {
			continue
		}
		res.ID = n.ID
		t := s.create(d, n, replicas, configs)
		if p := s.firstWithoutState(t); p >= 0 {
			// Apache's broker waits for a leader until the client's time is up, and says so; the topic is there.
			res.Err = &order.Error{Kind: order.ErrTimedOut}
		}
	}
}

// create writes a topic with the states of its partitions, and orders the brokers.
func (s *State) create(d *Decision, n *NewTopic, replicas []znode.Replicas, configs map[string]string) *Topic {
	body := znode.Topic{ID: n.ID, Partitions: replicas}
	d.Puts = append(d.Puts, Put{znode.ConfigPath(znode.EntityTopics, n.Name), znode.EncodeConfig(configs)})
	d.Writes = append(d.Writes, meta.CreateOp(znode.TopicPath(n.Name), body.Encode(), meta.Persistent))
	t := &Topic{Name: n.Name, ID: n.ID, Partitions: make([]Partition, len(replicas))}
	for i := range replicas {
		t.Partitions[i] = Partition{Replicas: replicas[i], Version: -1}
	}
	s.PutTopic(t)
	if d.Configured == nil {
		d.Configured = map[string]map[string]string{}
	}
	d.Configured[n.Name] = configs
	s.bring(d, t, 0)
	return t
}

// bring writes the states of new partitions, from a number on, and orders the brokers.
func (s *State) bring(d *Decision, t *Topic, from int) {
	s.initialize(d, t, from)
	for i := from; i < len(t.Partitions); i++ {
		s.order(d, t, &t.Partitions[i], true)
	}
	if from == 0 {
		d.changeTopic(t.Name)
		return
	}
	for i := from; i < len(t.Partitions); i++ {
		d.change(t.Name, int32(i))
	}
}

func (s *State) checkNewTopic(r *Rules, n *NewTopic, granted int) ([]znode.Replicas, map[string]string, error) {
	if s.Topics[n.Name] != nil && s.Deleting[n.Name] == nil || s.Unreadable[n.Name] {
		return nil, nil, order.Refuse(order.ErrTopicExists, "Topic '%s' already exists.", n.Name)
	}
	configs, err := configMap(n.Configs)
	if err != nil {
		return nil, nil, err
	}
	replicas, err := s.resolveAssignment(r, n, granted)
	if err != nil {
		return nil, nil, err
	}
	if err := ValidateTopicName(n.Name); err != nil {
		return nil, nil, err
	}
	if s.Deleting[n.Name] != nil {
		return nil, nil, order.Refuse(order.ErrTopicExists, "Topic '%s' is marked for deletion.", n.Name)
	}
	if hasCollisionChars(n.Name) {
		if other, ok := s.collides[unified(n.Name)]; ok {
			return nil, nil, order.Refuse(order.ErrInvalidTopic, "Topic '%s' collides with existing topics: %s", n.Name, other)
		}
	}
	if err := checkAssignment(replicas); err != nil {
		return nil, nil, err
	}
	if r.ValidateConfig != nil {
		if err := r.ValidateConfig(configs); err != nil {
			return nil, nil, order.Refuse(order.ErrInvalidConfig, "%s", err)
		}
	}
	return replicas, configs, nil
}

func configMap(entries []ConfigEntry) (map[string]string, error) {
	configs := make(map[string]string, len(entries))
	var null []string
	for _, e := range entries {
		if e.Value == nil {
			null = append(null, e.Name)
			continue
		}
		configs[e.Name] = *e.Value
	}
	if null != nil {
		return nil, order.Refuse(order.ErrInvalidConfig, "Null value not supported for topic configs: %s", strings.Join(null, ","))
	}
	return configs, nil
}

// resolveAssignment takes the client's assignment or makes one. It does not check that the brokers in it exist, and
// neither does 3.9.
func (s *State) resolveAssignment(r *Rules, n *NewTopic, granted int) ([]znode.Replicas, error) {
	if len(n.Assignment) > 0 {
		if n.Partitions != -1 || n.ReplicationFactor != -1 {
			return nil, order.Refuse(order.ErrInvalidRequest, "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.")
		}
		if granted+len(n.Assignment) > MaxPartitionsPerRequest {
			return nil, errTooMany()
		}
		byPartition := map[int32][]int32{} // the last one said of a partition counts
		for _, a := range n.Assignment {
			byPartition[a.Partition] = a.Replicas
		}
		replicas := make([]znode.Replicas, 0, len(byPartition))
		for p, ids := range byPartition {
			replicas = append(replicas, znode.Replicas{Partition: p, Replicas: slices.Clone(ids)})
		}
		slices.SortFunc(replicas, func(a, b znode.Replicas) int { return cmp.Compare(a.Partition, b.Partition) })
		return replicas, nil
	}
	partitions, factor := n.Partitions, n.ReplicationFactor
	if partitions == -1 {
		partitions = r.Partitions
	}
	if factor == -1 {
		factor = r.ReplicationFactor
	}
	if partitions > 0 && granted+int(partitions) > MaxPartitionsPerRequest {
		return nil, errTooMany()
	}
	assignment, err := s.assign(r, int(partitions), int(factor), -1, -1)
	if err != nil {
		return nil, err
	}
	return number(assignment, 0), nil
}

func errTooMany() error {
	return order.Refuse(order.ErrPolicyViolation, "Excessively large number of partitions per request.")
}

// number makes assignments of successive partitions.
func number(assignment [][]int32, from int) []znode.Replicas {
	replicas := make([]znode.Replicas, len(assignment))
	for i, ids := range assignment {
		replicas[i] = znode.Replicas{Partition: int32(from + i), Replicas: ids}
	}
	return replicas
}

// checkAssignment checks that all partitions have the same number of replicas, no broker twice, and the numbers 0, 1, 2, ...
func checkAssignment(replicas []znode.Replicas) error {
	for i := range replicas {
		if len(replicas[i].Replicas) != len(replicas[0].Replicas) || len(replicas[i].Replicas) == 0 {
			return order.Refuse(order.ErrInvalidReplicaAssignment, "All partitions should have the same number of replicas")
		}
	}
	for i := range replicas {
		if hasTwice(replicas[i].Replicas) {
			var all []string
			for _, r := range replicas {
				all = append(all, fmt.Sprintf("%d -> ArrayBuffer(%s)", r.Partition, join(r.Replicas)))
			}
			return order.Refuse(order.ErrInvalidReplicaAssignment, "Duplicate replica assignment found: HashMap(%s)", strings.Join(all, ", "))
		}
	}
	for i := range replicas {
		if replicas[i].Partition != int32(i) {
			return order.Refuse(order.ErrInvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
	}
	return nil
}

func hasTwice(ids []int32) bool {
	sorted := slices.Sorted(slices.Values(ids))
	return len(slices.Compact(sorted)) != len(ids)
}

func join(ids []int32) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = fmt.Sprint(id)
	}
	return strings.Join(s, ", ")
}

// MaxTopicName is the longest name of a topic: its directory's name has a suffix besides.
const MaxTopicName = 249

// ValidateTopicName checks a name against Kafka's rules. The error wraps ErrInvalidTopic.
func ValidateTopicName(name string) error {
	reason := ""
	switch {
	case name == "":
		reason = "the empty string is not allowed"
	case name == "." || name == "..":
		reason = "'" + name + "' is not allowed"
	case len(name) > MaxTopicName:
		reason = fmt.Sprintf("the length of '%s' is longer than the max allowed length %d", name, MaxTopicName)
	case strings.ContainsFunc(name, notLegal):
		reason = "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	default:
		return nil
	}
	return order.Refuse(order.ErrInvalidTopic, "Topic name is invalid: %s", reason)
}

func notLegal(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}
