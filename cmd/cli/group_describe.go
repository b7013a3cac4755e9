package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// groupDescription is a group with where it is in each partition.
type groupDescription struct {
	groupState
	TotalLag int64         `json:"totalLag"`
	Offsets  []groupOffset `json:"offsets"`
}

// groupOffset is where a group is in a partition.
type groupOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    *int64 `json:"offset"`    // null where nothing is committed
	Start     *int64 `json:"start"`     // null where the partition has no leader, or is gone
	End       *int64 `json:"endOffset"` // likewise
	Lag       *int64 `json:"lag"`       // null where one of them is
	Member    string `json:"member,omitempty"`
	Client    string `json:"clientId,omitempty"`
	Host      string `json:"host,omitempty"`
}

func groupDescribeCommand(p Process) *cobra.Command {
	var a ask
	var members, export bool
	cmd := &cobra.Command{
		Use:   "describe GROUP...",
		Short: "Show where groups are, their lag and their members",
		Long: `Shows groups: for each partition the committed offset, where the log ends, the lag, and the member that reads it. A lag with a * means that the record at the
committed offset is deleted already. --members shows the members instead, and --export writes topic,partition,offset on a line for each offset, as --from-file of
klamm group reset reads it.`,
		Example:           "  klamm group describe billing\n  klamm group describe billing --members\n  klamm group describe billing --export > billing.csv",
		Args:              arguments("the name of a group", 1, -1),
		ValidArgsFunction: a.complete(-1, groupNames),
	}
	cmd.Flags().BoolVar(&members, "members", false, "show the members and their topics")
	cmd.Flags().BoolVar(&export, "export", false, "write the offsets as lines for klamm group reset --from-file")
	a.check = func(args []string) error {
		if export && (members || len(args) > 1 || cmd.Flags().Changed("output")) {
			return misuse("--export is for one group, and excludes --members and --output")
		}
		return nil
	}
	a.add(cmd, p, func(ctx context.Context, s *session, args []string) error {
		var all []groupDescription
		for _, name := range args {
			d, err := s.describeGroup(ctx, name)
			if err != nil {
				return err
			}
			all = append(all, d)
		}
		if export {
			return all[0].export(s.Out)
		}
		return s.show(all, func(out io.Writer) error {
			for i, d := range all {
				if err := d.write(out, i > 0, members); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return cmd
}

func (s *session) describeGroup(ctx context.Context, name string) (groupDescription, error) {
	g, err := s.group(ctx, name)
	if err == nil {
		err = g.exists()
	}
	if err != nil {
		return groupDescription{}, err
	}
	at, err := s.committed(ctx, name)
	if err != nil {
		return groupDescription{}, err
	}
	readers := map[tp]groupMember{}
	all := map[tp]int64{}
	for p := range at {
		all[p] = 0
	}
	for _, m := range g.Members {
		for _, p := range m.Assigned {
			at := tp{p.Topic, p.Partition}
			readers[at], all[at] = m, 0
		}
	}
	of, err := s.existing(ctx, all)
	if err != nil {
		return groupDescription{}, err
	}
	b, err := s.bounds(ctx, of)
	if err != nil {
		return groupDescription{}, err
	}
	d := groupDescription{groupState: g, Offsets: []groupOffset{}}
	for _, p := range sortedTPs(all) {
		m := readers[p]
		o := groupOffset{Topic: p.topic, Partition: p.partition, Offset: find(at, p), Start: find(b.starts, p), End: find(b.ends, p), Member: m.ID, Client: m.Client, Host: m.Host}
		if o.Offset != nil && o.End != nil {
			lag := max(0, *o.End-*o.Offset)
			o.Lag = &lag
			d.TotalLag += lag
		}
		d.Offsets = append(d.Offsets, o)
	}
	return d, nil
}

// find gives what a map has, or nil.
func find(in map[tp]int64, at tp) *int64 {
	if n, ok := in[at]; ok {
		return &n
	}
	return nil
}

func (d groupDescription) write(out io.Writer, apart, members bool) error {
	head := table{}
	head.row("group", d.Group)
	head.row("state", d.State)
	head.row("protocol", dash(d.Protocol))
	head.row("coordinator", d.Coordinator)
	head.row("members", len(d.Members))
	head.row("lag", d.TotalLag)
	body := table{head: []string{"TOPIC", "PARTITION", "OFFSET", "END", "LAG", "CLIENT", "HOST", "MEMBER"}}
	for _, o := range d.Offsets {
		lag := number(o.Lag)
		if o.Offset != nil && o.Start != nil && *o.Offset < *o.Start {
			lag += "*"
		}
		body.row(o.Topic, o.Partition, number(o.Offset), number(o.End), lag, dash(o.Client), dash(o.Host), dash(o.Member))
	}
	if members {
		body = table{head: []string{"MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS", "TOPICS"}}
		for _, m := range d.Members {
			body.row(m.ID, dash(m.Instance), m.Client, m.Host, len(m.Assigned), joined(m.Subscribed))
		}
	}
	return writePieces(out, apart, []table{head, body})
}

// joined writes names with commas between them.
func joined(names []string) string {
	text := ""
	for i, name := range names {
		if i > 0 {
			text += ","
		}
		text += name
	}
	return dash(text)
}

func (d groupDescription) export(out io.Writer) error {
	for _, o := range d.Offsets {
		if o.Offset == nil {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s,%d,%d\n", o.Topic, o.Partition, *o.Offset); err != nil {
			return err
		}
	}
	return nil
}
