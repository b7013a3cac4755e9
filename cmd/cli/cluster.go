package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ClusterCommands gives the commands below klamm cluster that ask how it is.
func ClusterCommands(p Process) []*cobra.Command {
	return []*cobra.Command{clusterInfoCommand(p), clusterHealthCommand(p)}
}

// clusterInfo is what klamm cluster info tells.
type clusterInfo struct {
	ID         string       `json:"id"`
	Controller *int32       `json:"controller"` // null for none
	Topics     int          `json:"topics"`
	Partitions int          `json:"partitions"`
	Brokers    []brokerInfo `json:"brokers"`
}

// brokerInfo is a broker in a list.
type brokerInfo struct {
	ID         int32  `json:"id"`
	Address    string `json:"address"`
	Rack       string `json:"rack,omitempty"`
	Controller bool   `json:"controller"`
	Leads      int    `json:"partitionsLed"`
	Replicas   int    `json:"replicas"`
	InSync     int    `json:"replicasInSync"`
}

func infoOf(meta kadm.Metadata) clusterInfo {
	info := clusterInfo{ID: meta.Cluster, Topics: len(meta.Topics), Brokers: []brokerInfo{}}
	if meta.Controller >= 0 {
		info.Controller = &meta.Controller
	}
	byID := map[int32]*brokerInfo{}
	for _, b := range meta.Brokers {
		info.Brokers = append(info.Brokers, brokerInfo{ID: b.NodeID, Address: address(b), Rack: text(b.Rack), Controller: b.NodeID == meta.Controller})
	}
	slices.SortFunc(info.Brokers, func(a, b brokerInfo) int { return int(a.ID) - int(b.ID) })
	for i := range info.Brokers {
		byID[info.Brokers[i].ID] = &info.Brokers[i]
	}
	meta.Topics.EachPartition(func(p kadm.PartitionDetail) {
		info.Partitions++
		if b := byID[p.Leader]; b != nil {
			b.Leads++
		}
		for _, id := range p.Replicas {
			if b := byID[id]; b != nil {
				b.Replicas++
			}
		}
		for _, id := range p.ISR {
			if b := byID[id]; b != nil {
				b.InSync++
			}
		}
	})
	return info
}

func address(b kadm.BrokerDetail) string { return fmt.Sprintf("%s:%d", b.Host, b.Port) }

func brokerTable(brokers []brokerInfo) table {
	t := table{head: []string{"ID", "ADDRESS", "RACK", "CONTROLLER", "LEADS", "REPLICAS", "IN SYNC"}}
	for _, b := range brokers {
		t.row(b.ID, b.Address, dash(b.Rack), yes(b.Controller), b.Leads, b.Replicas, b.InSync)
	}
	return t
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "-"
}

func clusterInfoCommand(p Process) *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:     "info",
		Short:   "Show a cluster's id, controller and brokers",
		Example: "  klamm cluster info -b broker-1:9092",
		Args:    arguments("", 0, 0),
	}
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		meta, err := s.topics(ctx)
		if err != nil {
			return err
		}
		info := infoOf(meta)
		return s.show(info, func(out io.Writer) error {
			var head table
			head.row("cluster", dash(info.ID))
			head.row("controller", number(info.Controller))
			head.row("topics", info.Topics)
			head.row("partitions", info.Partitions)
			return writePieces(out, false, []table{head, brokerTable(info.Brokers)})
		})
	})
	return cmd
}

// health is what klamm cluster health tells. Each list has partitions, topic-number.
type health struct {
	Healthy         bool     `json:"healthy"`
	Brokers         int      `json:"brokers"`
	Topics          int      `json:"topics"`
	Partitions      int      `json:"partitions"`
	Controller      *int32   `json:"controller"`
	Leaderless      []string `json:"leaderless"`
	UnderReplicated []string `json:"underReplicated"`
	UnderMinISR     []string `json:"underMinIsr"`
	AtMinISR        []string `json:"atMinIsr"`
	Offline         []string `json:"offlineReplicas"`
	Missing         []int32  `json:"missingBrokers"`
}

func clusterHealthCommand(p Process) *cobra.Command {
	var a ask
	var list bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Say in one line whether a cluster is healthy",
		Long: `Says in one line whether a cluster is healthy. The exit code is 0 if it is, 1 if it is not, and 3 if no broker answers.

It is not healthy if a partition has no leader, has replicas that are not in sync, has fewer in sync than min.insync.replicas,
or has replicas that are offline (their broker is away, or their log directory failed); if brokers are away that have
replicas; or if there is no controller. Partitions that are not fully in sync and have just min.insync.replicas are counted as
"at min ISR": the next loss stops producers with acks=all.`,
		Example: "  klamm cluster health\n  klamm cluster health --list\n  klamm cluster health -o json",
		Args:    arguments("", 0, 0),
	}
	cmd.Flags().BoolVar(&list, "list", false, "name the partitions")
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		h, err := s.health(ctx)
		if err != nil {
			return err
		}
		if err := s.show(h, func(out io.Writer) error { return h.write(out, list) }); err != nil {
			return err
		}
		if !h.Healthy {
			return &Exit{Code: CodeFailed}
		}
		return nil
	})
	return cmd
}

func (s *session) health(ctx context.Context) (health, error) {
	meta, err := s.topics(ctx)
	if err != nil {
		return health{}, err
	}
	least, err := s.minInSync(ctx, meta.Topics.Names())
	if err != nil {
		return health{}, err
	}
	return judge(meta, least), nil
}

// judge holds what a broker knows of the cluster against what a healthy one is. least has min.insync.replicas by topic.
func judge(meta kadm.Metadata, least map[string]int) health {
	h := health{Brokers: len(meta.Brokers), Topics: len(meta.Topics), Leaderless: []string{}, UnderReplicated: []string{}, UnderMinISR: []string{}, AtMinISR: []string{}, Offline: []string{}, Missing: []int32{}}
	if meta.Controller >= 0 {
		h.Controller = &meta.Controller
	}
	alive := meta.Brokers.NodeIDs()
	for _, t := range meta.Topics.Sorted() {
		for _, p := range t.Partitions.Sorted() {
			h.Partitions++
			h.judge(tp{p.Topic, p.Partition}.String(), p, least[t.Topic])
			for _, id := range p.Replicas {
				if !slices.Contains(alive, id) && !slices.Contains(h.Missing, id) {
					h.Missing = append(h.Missing, id)
				}
			}
		}
	}
	slices.Sort(h.Missing)
	h.Healthy = h.Controller != nil && len(h.Leaderless)+len(h.UnderReplicated)+len(h.UnderMinISR)+len(h.Offline)+len(h.Missing) == 0
	return h
}

func (h *health) judge(name string, p kadm.PartitionDetail, least int) {
	if p.Leader < 0 {
		h.Leaderless = append(h.Leaderless, name)
	}
	if len(p.OfflineReplicas) > 0 {
		h.Offline = append(h.Offline, name)
	}
	if len(p.ISR) < least {
		h.UnderMinISR = append(h.UnderMinISR, name)
	}
	if len(p.ISR) < len(p.Replicas) {
		h.UnderReplicated = append(h.UnderReplicated, name)
		if len(p.ISR) == least {
			h.AtMinISR = append(h.AtMinISR, name)
		}
	}
}

// inSyncBatch is how many topics one request asks about.
const inSyncBatch = 1000

// minInSync gives min.insync.replicas of topics.
func (s *session) minInSync(ctx context.Context, names []string) (map[string]int, error) {
	least := map[string]int{}
	for batch := range slices.Chunk(names, inSyncBatch) {
		req := kmsg.NewPtrDescribeConfigsRequest()
		for _, name := range batch {
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, name, []string{"min.insync.replicas"}
			req.Resources = append(req.Resources, r)
		}
		for _, shard := range s.Client.RequestSharded(ctx, req) {
			if shard.Err != nil {
				return nil, fmt.Errorf("asking for min.insync.replicas: %w", shard.Err)
			}
			for _, r := range shard.Resp.(*kmsg.DescribeConfigsResponse).Resources {
				for _, c := range r.Configs { // a topic that was deleted in between has none
					var n int
					if _, err := fmt.Sscan(text(c.Value), &n); err == nil && c.Name == "min.insync.replicas" {
						least[r.ResourceName] = n
					}
				}
			}
		}
	}
	return least, nil
}

func (h health) write(out io.Writer, list bool) error {
	var what []string
	kinds := []struct {
		one   string
		names []string
	}{
		{"without leader", h.Leaderless}, {"under min ISR", h.UnderMinISR}, {"at min ISR", h.AtMinISR}, {"under-replicated", h.UnderReplicated}, {"with offline replicas", h.Offline},
	}
	for _, k := range kinds {
		if len(k.names) > 0 {
			what = append(what, fmt.Sprintf("%d %s", len(k.names), k.one))
		}
	}
	if len(h.Missing) > 0 {
		what = append(what, fmt.Sprintf("brokers away: %s", cell(h.Missing)))
	}
	if h.Controller == nil {
		what = append(what, "no controller")
	}
	size := fmt.Sprintf("%s, %s, %s", count(h.Brokers, "broker"), count(h.Topics, "topic"), count(h.Partitions, "partition"))
	line := "healthy: " + size
	if !h.Healthy {
		line = fmt.Sprintf("not healthy: %s (of %s)", strings.Join(what, ", "), size)
	}
	if _, err := fmt.Fprintln(out, line); err != nil || !list {
		return err
	}
	t := table{}
	for _, k := range kinds {
		for _, name := range k.names {
			t.row(name, k.one)
		}
	}
	return t.write(out)
}

func count(n int, what string) string {
	if n == 1 {
		return fmt.Sprint(n, " ", what)
	}
	return fmt.Sprint(n, " ", what, "s")
}
