package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"klamm/broker"
	"klamm/broker/migrate"
	"klamm/cluster/meta"
	"klamm/server/config"
)

// codedError ends the process with an exit code of its own. err is printed; nil prints nothing.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string {
	if e.err == nil {
		return fmt.Sprint("exit code ", e.code)
	}
	return e.err.Error()
}

// Unwrap gives the error that is printed.
func (e *codedError) Unwrap() error { return e.err }

// ExitCode gives the code.
func (e *codedError) ExitCode() int { return e.code }

// wrongUse is the exit code for a command line that is wrong, and for what cannot be looked at.
const wrongUse = 2

// misused makes an error one of wrong use.
func misused(_ *cobra.Command, err error) error { return &codedError{wrongUse, err} }

// metricsTimeout bounds how long the metrics may take.
const metricsTimeout = 30 * time.Second

// migrateCommand describes klamm migrate and what is below it.
func migrateCommand(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move from Apache Kafka to klamm",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(cmd, fmt.Errorf("migrate has no command %q; there are check and verify", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.SetFlagErrorFunc(misused)
	cmd.AddCommand(checkCommand(p), verifyCommand(p))
	return cmd
}

// checkOptions are the flags of klamm migrate check.
type checkOptions struct {
	config    config.Options
	zookeeper string
	metrics   string
	json      bool
}

// checkCommand describes klamm migrate check.
func checkCommand(p process) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check --config server.properties",
		Short: "Say whether klamm can replace the Apache Kafka broker with this configuration",
		Long: `Says whether klamm can take the place of the Apache Kafka 3.9 broker that runs, or ran, with this
configuration: it reads the configuration, the tree in ZooKeeper, the log directories and, if --metrics
names them, the broker's metrics. It only reads: it makes no node and no file, and takes no lock. The
broker may run meanwhile. Run it as the broker's user, on the broker's machine.

The exit code is 0 if nothing stands in the way, 1 if klamm would not start or would do something
different, and 2 if the command line is wrong or something could not be looked at.`,
		Example: `  klamm migrate check --config /etc/kafka/server.properties
  klamm migrate check --config server.properties --zookeeper zk-1:2181/kafka --json
  klamm migrate check --config server.properties --metrics http://localhost:9404/metrics`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused(cmd, fmt.Errorf("unexpected argument %q; --config names the configuration file", args[0]))
			}
			if o.config.File == "" {
				return misused(cmd, errors.New("--config has to name the configuration file of the broker"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.config.Env = brokerEnv()
			return p.check(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.config.File, "config", "c", "", "configuration `file` of the broker: .properties, .yaml or .toml")
	cmd.Flags().StringArrayVar(&o.config.Sets, "set", nil, "set one property, `name=value`; may be repeated")
	cmd.Flags().StringVar(&o.zookeeper, "zookeeper", "", "`hosts/chroot` of ZooKeeper in the place of zookeeper.connect")
	cmd.Flags().StringVar(&o.metrics, "metrics", "", "`URL` of the running broker's metrics, in Prometheus' format")
	cmd.Flags().BoolVar(&o.json, "json", false, "write JSON")
	return cmd
}

// check looks at a broker and writes what it finds.
func (p process) check(ctx context.Context, o checkOptions) error {
	if o.zookeeper != "" {
		o.config.Sets = append(o.config.Sets, "zookeeper.connect="+o.zookeeper)
	}
	cfg, warnings, errs := config.Read(o.config)
	for _, e := range errs {
		if e.Name == "" { // no setting is wrong, but what they are read from
			return &codedError{wrongUse, errs}
		}
	}
	options := migrate.Options{
		Config: cfg, Errors: errs, Warnings: warnings, File: o.config.File, OpenFiles: broker.MaxOpenFiles(), MetricsURL: o.metrics,
		OpenTree: func(ctx context.Context) (meta.Tree, error) { return broker.LookAtTree(ctx, cfg) },
	}
	if o.metrics != "" {
		options.Metrics = func(ctx context.Context) (io.ReadCloser, error) { return get(ctx, o.metrics) }
	}
	return p.write(migrate.Check(ctx, options), o.json)
}

// report is what a command found.
type report interface {
	WriteText(io.Writer) error
	ExitCode() int
}

// write writes a report and gives its exit code.
func (p process) write(r report, asJSON bool) error {
	write := r.WriteText
	if asJSON {
		write = func(out io.Writer) error {
			e := json.NewEncoder(out)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(r)
		}
	}
	if err := write(p.report); err != nil {
		return &codedError{wrongUse, err}
	}
	if code := r.ExitCode(); code != 0 {
		return &codedError{code: code}
	}
	return nil
}

// get reads a page.
func get(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Timeout: metricsTimeout}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	return resp.Body, nil
}
