package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func brokerCommand(p Process) *cobra.Command {
	return Parent("broker", "List and describe brokers", brokerListCommand(p), brokerDescribeCommand(p))
}

// brokerIDs are the ids of the brokers that are alive.
func brokerIDs(ctx context.Context, s *session) ([]string, error) {
	all, err := s.Admin.ListBrokers(ctx)
	var names []string
	for _, id := range all.NodeIDs() {
		names = append(names, strconv.Itoa(int(id)))
	}
	return names, err
}

func brokerListCommand(p Process) *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the brokers that are alive",
		Example: "  klamm broker list",
		Args:    arguments("", 0, 0),
	}
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		meta, err := s.topics(ctx)
		if err != nil {
			return err
		}
		brokers := infoOf(meta).Brokers
		return s.show(brokers, func(out io.Writer) error { t := brokerTable(brokers); return t.write(out) })
	})
	return cmd
}

// brokerDescription is what there is to know of a broker.
type brokerDescription struct {
	brokerInfo
	Version string        `json:"version"` // the Kafka release that it speaks like, as far as the versions of its APIs tell
	Dirs    []logDir      `json:"logDirs"`
	Configs []configEntry `json:"configs"` // those that are not defaults
}

func brokerDescribeCommand(p Process) *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:   "describe ID",
		Short: "Show a broker's address, version, directories and configuration",
		Long: `Shows a broker: where it listens, which release of Kafka it speaks like, its log directories, and what of its configuration is
not a default.`,
		Example:           "  klamm broker describe 1",
		Args:              arguments("the id of a broker", 1, 1),
		ValidArgsFunction: a.complete(1, brokerIDs),
	}
	var id int64
	a.check = func(args []string) (err error) {
		if id, err = strconv.ParseInt(args[0], 10, 32); err != nil || id < 0 {
			return misuse("%q is not the id of a broker; klamm broker list has them", args[0])
		}
		return nil
	}
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		d, err := s.describeBroker(ctx, int32(id))
		if err != nil {
			return err
		}
		return s.show(d, d.write)
	})
	return cmd
}

func (s *session) describeBroker(ctx context.Context, id int32) (brokerDescription, error) {
	meta, err := s.topics(ctx)
	if err != nil {
		return brokerDescription{}, err
	}
	brokers := infoOf(meta).Brokers
	i := slices.IndexFunc(brokers, func(b brokerInfo) bool { return b.ID == id })
	if i < 0 {
		return brokerDescription{}, fmt.Errorf("no broker %d is alive; the brokers %s are", id, cell(meta.Brokers.NodeIDs()))
	}
	d := brokerDescription{brokerInfo: brokers[i]}
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, s.Client.Broker(int(id)))
	if err != nil {
		return d, fmt.Errorf("asking broker %d for its versions: %w", id, err)
	}
	d.Version = kversion.FromApiVersionsResponse(versions).VersionGuess()
	if d.Dirs, err = s.logDirs(ctx, []int32{id}, nil); err != nil {
		return d, err
	}
	name := strconv.Itoa(int(id))
	configs, err := s.configs(ctx, kmsg.ConfigResourceTypeBroker, name)
	d.Configs = slices.DeleteFunc(append([]configEntry{}, configs[name]...), configEntry.isDefault)
	return d, err
}

func (d brokerDescription) write(out io.Writer) error {
	var head table
	head.row("broker", d.ID)
	head.row("address", d.Address)
	head.row("rack", dash(d.Rack))
	head.row("controller", yes(d.Controller))
	head.row("speaks like", "Kafka "+d.Version)
	head.row("leads", count(d.Leads, "partition"))
	head.row("has", fmt.Sprintf("%s, %d in sync", count(d.Replicas, "replica"), d.InSync))
	return writePieces(out, false, []table{head, logDirTable(d.Dirs), configTable(d.Configs)})
}
