package migrate

import (
	"context"
	"io"
	"strings"

	"klamm/cluster/meta"
	"klamm/cluster/meta/zk"
	"klamm/logstore"
	"klamm/server/config"
)

// Options are what Check looks at.
type Options struct {
	// Config is the configuration, as far as it could be read, with what is wrong with it and what Load warned about. File is its name.
	Config   *config.Broker
	Errors   config.LoadErrors
	Warnings []config.Warning
	File     string
	// OpenTree opens a session with the tree. It must make nothing there.
	OpenTree func(context.Context) (meta.Tree, error)
	// Access says why this user may not read and write a file, or use a directory, nil if it may. Default: the system is asked.
	Access func(path string) error
	// OpenFiles is how many files of its logs klamm keeps open at most under the limits of this process.
	OpenFiles int
	// Metrics gives the metrics that the running broker exports at MetricsURL; nil if nobody said where they are.
	Metrics    func(context.Context) (io.ReadCloser, error)
	MetricsURL string
}

// rightsReader is a tree that has access control lists.
type rightsReader interface {
	Rights(ctx context.Context, path string) (zk.Rights, error)
}

// checker looks at one broker.
type checker struct {
	Options
	Report
	dirs []dirLook
	tree tree
}

// Check looks at everything. Its report says what could not be looked at.
func Check(ctx context.Context, o Options) *Report {
	c := &checker{Options: o, Report: Report{Broker: o.Config.ID(), Findings: []Finding{}}}
	if c.Access == nil {
		c.Access = access
	}
	c.checkConfiguration()
	c.readDirectories() // first, since a broker's id and its cluster's may stand there alone
	c.checkTree(ctx)
	c.checkDirectories()
	c.checkClients(ctx)
	c.sort()
	return &c.Report
}

// checkConfiguration judges every setting of the file, the environment and the command line.
func (c *checker) checkConfiguration() {
	c.looked(Configuration, c.File, nil)
	for _, e := range c.Errors {
		c.add(Finding{Severity: Refuses, Area: Configuration, Where: []string{place(e.Source, e.Name)}, Found: e.Reason,
			Do: "docs/configuration.md says what klamm serves"})
	}
	for _, w := range c.Warnings {
		c.judge(Configuration, place(w.Source, w.Name), w, withoutSetting)
	}
	if c.Config.ZooKeeper() == nil && len(c.Config.Values().List("process.roles")) == 0 {
		c.add(Finding{Severity: Differs, Area: Configuration, Where: []string{"zookeeper.connect"},
			Found: "it is not set: klamm would start a broker alone, with a tree of its own in the first log directory",
			Do:    "set it, or give --zookeeper"})
	}
}

// withoutSetting is what to do about a setting that Apache Kafka acts on and klamm does not.
const withoutSetting = "see whether you can do without it; klamm does what a broker does that does not have the setting"

// judge notes a setting that klamm does not act on, and what to do if Apache Kafka does.
func (c *checker) judge(area Area, where string, w config.Warning, do string) {
	f := Finding{Severity: Info, Area: area, Where: []string{where}, Found: strings.TrimSuffix(w.Text, "; it has no effect")}
	switch {
	case w.Kind == config.NotServed && w.Idle != "":
		f.Found = "klamm does not serve it, and that changes nothing: " + w.Idle
	case w.Kind == config.NotServed:
		f.Severity, f.Do = Differs, do
	case w.Kind == config.UnknownName:
		f.Found += ", and neither broker acts on it"
	}
	c.add(f)
}

// place names a setting by where it was given.
func place(s config.Source, name string) string {
	if where := s.String(); where != "" && !strings.HasSuffix(where, name) {
		return where + ": " + name
	}
	if name == "" {
		return s.String()
	}
	return name
}

// dirLook is a log directory.
type dirLook struct {
	path   string
	meta   logstore.MetaProperties
	exists bool
	read   bool // its logs are known
	held   bool // a broker holds the lock, or that is not known
	logs   []logstore.LogLook
	others []string
}
