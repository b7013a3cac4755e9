package loggers

import "slices"

// Root is the logger above all others. Its level cannot be removed.
const Root = "root"

// Key is the attribute that names the logger of a line.
const Key = "logger"

// names are the loggers of a broker. They have the names of klamm's rooms, with dots.
var names = []string{
	Root,
	"broker",
	"cluster", "cluster.controller", "cluster.liveness", "cluster.meta", "cluster.peer", "cluster.replica", "cluster.replica.fetcher",
	"groupcoord",
	"klamm",
	"logstore", "logstore.cleaner",
	"server", "server.limits", "server.requests", "server.transport",
}

// Names lists all loggers, sorted.
func Names() []string { return slices.Sorted(slices.Values(names)) }

// Exists says whether a broker has a logger.
func Exists(name string) bool { return slices.Contains(names, name) }
