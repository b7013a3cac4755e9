package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"klamm/cmd/connect"
	"klamm/cmd/doctor"
	"klamm/server/config"
)

// doctorOptions are the flags of klamm doctor.
type doctorOptions struct {
	config  config.Options
	connect connect.Flags
	output  output
}

// doctorCommand describes klamm doctor.
func doctorCommand(p process) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at addresses, disks, limits, clocks and versions, and say what to do",
		Long: `Looks at what breaks a cluster though its brokers run, and changes nothing. Each line is one check: ok, warning,
problem, or unknown where there was nothing to find it out by; and what to do.

With --config it looks at this machine as the broker with that configuration: the addresses that clients will be
told, the log directories' disks and inodes, limits of the system, the clock, and ZooKeeper with the clocks of its
brokers. Run it as the broker's user. Otherwise it looks at a cluster of klamm or Apache Kafka from here: the
addresses that clients are told, each resolved and connected to, and the brokers' versions. With --config and
--bootstrap-server it does both.

The exit code is 0 if there is no problem, 1 if there is one, and 2 if the command line is wrong or no broker
could be asked.`,
		Example: `  klamm doctor --config /etc/klamm/server.properties
  klamm doctor --bootstrap-server kafka-1:9092 --command-config client.properties
  klamm doctor -b kafka-1:9092 -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(cmd, fmt.Errorf("unexpected argument %q; --config names a configuration file", args[0]))
			}
			return misusedIf(cmd, o.output.check())
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return p.doctor(cmd.Context(), o) },
	}
	cmd.SetFlagErrorFunc(misused)
	cmd.Flags().StringVarP(&o.config.File, "config", "c", "", "configuration `file` of the broker on this machine: .properties, .yaml or .toml")
	cmd.Flags().StringArrayVar(&o.config.Sets, "set", nil, "set one property, `name=value`; may be repeated")
	o.connect.Add(cmd.Flags())
	o.output.add(cmd)
	return cmd
}

// doctor looks, and writes what it finds.
func (p process) doctor(ctx context.Context, o doctorOptions) error {
	report := &doctor.Report{Checks: []doctor.Check{}}
	if o.config.File != "" {
		o.config.Env = brokerEnv()
		cfg, warnings, errs := config.Read(o.config)
		for _, e := range errs {
			if e.Name == "" { // no setting is wrong, but what they are read from
				return &codedError{wrongUse, errs}
			}
		}
		report.Local(ctx, cfg, warnings, errs)
	}
	var unreachable error
	if o.config.File == "" || len(o.connect.Servers) > 0 || o.connect.File != "" || o.connect.Profile != "" {
		c, err := o.connect.Config()
		if err != nil {
			return &codedError{wrongUse, err}
		}
		unreachable = report.Remote(ctx, c)
	}
	err := p.write(report, o.output.asJSON())
	if unreachable != nil {
		return &codedError{wrongUse, unreachable}
	}
	return err
}
