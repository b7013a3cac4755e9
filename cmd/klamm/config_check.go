package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"

	"github.com/spf13/cobra"

	"klamm/broker"
	"klamm/server/config"
	"klamm/server/keystore"
)

// configCheckOptions are the arguments of klamm config check.
type configCheckOptions struct {
	config config.Options
	output output
}

// configCheckCommand describes klamm config check.
func configCheckCommand(p process) *cobra.Command {
	var o configCheckOptions
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what a start would say about a configuration file, without a start",
		Long: `Reads a configuration file as a start reads it, with the environment and --set over it, and says everything
that the start would say: which values are wrong, which names have no effect, and which properties klamm does
not serve. It reads the key stores that the file names, too. It opens no port and no log directory.

The exit code is 0 if a broker would start with the file, 1 if it would not, and 2 if the command line is wrong
or the file cannot be read.`,
		Example: `  klamm config check /etc/klamm/server.properties
  klamm config check server.properties --set broker.id=3 -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused(cmd, errors.New("klamm config check needs one argument, the configuration file"))
			}
			return misusedIf(cmd, o.output.check())
		},
		RunE: func(_ *cobra.Command, args []string) error {
			o.config.File, o.config.Env = args[0], brokerEnv()
			return p.checkConfig(o)
		},
	}
	cmd.Flags().StringArrayVar(&o.config.Sets, "set", nil, "set one property, `name=value`; may be repeated")
	o.output.add(cmd)
	return cmd
}

// checkConfig reads a configuration and writes what a start would say.
func (p process) checkConfig(o configCheckOptions) error {
	cfg, warnings, errs := config.Read(o.config)
	report := &configReport{File: o.config.File, Findings: []configFinding{}}
	for _, e := range errs {
		report.add("error", e.Source, e.Name, e.Error())
	}
	if len(errs) == 0 {
		for _, err := range storeErrors(cfg) {
			report.add("error", config.Source{}, "", err.Error())
		}
		report.addHosts(cfg)
	}
	for _, w := range warnings {
		kind := map[config.WarningKind]string{config.UnknownName: "unknown", config.NotServed: "not served"}[w.Kind]
		if kind == "" {
			kind = "warning"
		}
		text := w.String()
		if w.Idle != "" {
			text += "; this changes nothing: " + w.Idle
		}
		report.add(kind, w.Source, w.Name, text)
	}
	return p.write(report, o.output.asJSON())
}

// storeErrors finds the key stores that a start cannot use.
func storeErrors(cfg *config.Broker) (errs []error) {
	if err := broker.CheckConfig(cfg); err != nil {
		errs = append(errs, err)
	}
	if h := cfg.HTTP(); h != nil && h.KeyStore.Path != "" {
		if _, err := keystore.LoadKey(keystore.File{Path: h.KeyStore.Path, Type: h.KeyStore.Type, Password: h.KeyStore.Password}); err != nil {
			errs = append(errs, fmt.Errorf("klamm.http.ssl.keystore.location: %w", err))
		}
	}
	return errs
}

// addHosts adds the host names with a limit of their own that do not resolve. A start leaves their limits out.
func (r *configReport) addHosts(cfg *config.Broker) {
	const name = "max.connections.per.ip.overrides"
	hosts, _ := config.ConnectionOverrides(cfg.Values()) // Read has checked it
	_, source, _ := cfg.Given(name)
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		if _, err := net.LookupHost(host); err != nil {
			w := config.Warning{Source: source, Name: name, Text: fmt.Sprintf("the host name %s does not resolve, so its limit has no effect: %v", host, err)}
			r.add("warning", source, name, w.String())
		}
	}
}

// configReport is what klamm config check found.
type configReport struct {
	File     string          `json:"file"`
	Starts   bool            `json:"starts"` // whether a broker would start
	Findings []configFinding `json:"findings"`
	whole    bool            // the file could not be read
}

// configFinding is one line of a report.
type configFinding struct {
	Kind string `json:"kind"` // error, warning, unknown (a name that Apache Kafka does not have), not served
	Name string `json:"name,omitempty"`
	Line int    `json:"line,omitempty"` // of the file; 0 where it was given elsewhere
	Text string `json:"text"`
}

// add adds a finding.
func (r *configReport) add(kind string, at config.Source, name, text string) {
	f := configFinding{Kind: kind, Name: name, Text: text}
	if at.Origin == config.FromFile {
		f.Line = at.Line
	}
	r.whole = r.whole || kind == "error" && name == "" && at.Where == r.File && at.Line == 0
	r.Findings = append(r.Findings, f)
	r.Starts = r.errors() == 0
}

// errors counts the errors.
func (r *configReport) errors() (n int) {
	for _, f := range r.Findings {
		if f.Kind == "error" {
			n++
		}
	}
	return n
}

// WriteText writes one line for each finding, and one for the whole.
func (r *configReport) WriteText(out io.Writer) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(out, "%-11s %s\n", f.Kind+":", f.Text); err != nil {
			return err
		}
	}
	n := r.errors()
	verdict := "a broker starts with it"
	if n > 0 {
		verdict = "no broker starts with it"
	}
	_, err := fmt.Fprintf(out, "%s: %s (errors: %d, warnings: %d)\n", r.File, verdict, n, len(r.Findings)-n)
	return err
}

// ExitCode gives 0 for a file that a broker starts with.
func (r *configReport) ExitCode() int {
	switch {
	case r.whole:
		return wrongUse
	case r.errors() > 0:
		return 1
	}
	return 0
}
