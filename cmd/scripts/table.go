package scripts

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"klamm/cmd/scripts/jopt"
)

// Script is one of Kafka's scripts.
type Script struct {
	Name    string // kafka-topics
	Does    string // one sentence
	Differs string // what is not as in Kafka's own, "" for nothing that shows
	parser  func() *jopt.Parser
	run     func(context.Context, *call) error
}

// Options gives the script's options, those that are refused among them.
func (s *Script) Options() []*jopt.Option { return s.parser().Options() }

// table has the scripts that klamm serves.
func table() []*Script {
	return []*Script{
		dumpLogScript(),
		topicsScript(),
		groupsScript(),
		getOffsetsScript(),
		configsScript(),
		reassignScript(),
		apiVersionsScript(),
		deleteRecordsScript(),
		logDirsScript(),
		electionScript(),
		consoleProducerScript(),
		consoleConsumerScript(),
	}
}

// Scripts gives the scripts in the order of their names.
func Scripts() []*Script {
	return slices.SortedFunc(slices.Values(table()), func(a, b *Script) int { return strings.Compare(a.Name, b.Name) })
}

// find gives the script of a name, with or without .sh.
func find(name string) *Script {
	name = strings.TrimSuffix(name, ".sh")
	for _, s := range table() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Called says whether a command line calls a script: by the name of the program, which is a link to klamm then, or by
// the first argument. It gives the script and its arguments.
func Called(args []string) (*Script, []string, bool) {
	if len(args) == 0 {
		return nil, nil, false
	}
	if s := find(filepath.Base(args[0])); s != nil {
		return s, args[1:], true
	}
	if len(args) > 1 {
		if s := find(args[1]); s != nil {
			return s, args[2:], true
		}
	}
	return nil, nil, false
}
