package admin

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/server/codes"
	"klamm/server/config"
	"klamm/server/loggers"
)

// describeLoggers returns the levels of this broker's loggers (KIP-412). A logger without a level of its own has that of the one
// above it.
func (s *Service) describeLoggers(o config.DescribeOptions) []config.Entry {
	var out []config.Entry
	documentation := "" // and not null, whether it is asked for or not, as the reference has it
	for _, name := range loggers.Names() {
		if !o.Wants(name) {
			continue
		}
		level, _ := s.levels.Level(name)
		value := loggers.Name(level)
		out = append(out, config.Entry{Name: name, Value: &value, Source: config.LoggerConfig, Documentation: &documentation})
	}
	return out
}

// alterLoggers changes the levels of this broker's loggers, until its next start.
func (s *Service) alterLoggers(name string, ops []config.Op, how alteration) error {
	if how.replace {
		return codes.Refuse(kerr.InvalidRequest, "AlterConfigs does not change the levels of loggers; IncrementalAlterConfigs does.")
	}
	if err := s.isThisBroker(name); err != nil {
		return err
	}
	for _, op := range ops {
		if err := checkLoggerOp(op); err != nil {
			return err
		}
	}
	if how.validateOnly {
		return nil
	}
	for _, op := range ops {
		if op.Kind == config.Delete {
			s.levels.Unset(op.Name)
			continue
		}
		level, _ := loggers.Parse(*op.Value)
		s.levels.Set(op.Name, level)
	}
	return nil
}

// checkLoggerOp refuses what a logger's level cannot be changed to.
func checkLoggerOp(op config.Op) error {
	switch op.Kind {
	case config.Set:
		if !loggers.Exists(op.Name) {
			return errNoLogger(op.Name)
		}
		if _, ok := loggers.Parse(*op.Value); !ok {
			return codes.Refuse(kerr.InvalidConfig, fmt.Sprintf("The logger %s cannot have the level %s; the levels are %s.", op.Name, *op.Value, loggers.LevelNames()))
		}
		return nil
	case config.Delete:
		if !loggers.Exists(op.Name) {
			return errNoLogger(op.Name)
		}
		if op.Name == loggers.Root {
			return codes.Refuse(kerr.InvalidRequest, "The level of the logger "+loggers.Root+" cannot be removed.")
		}
		return nil
	}
	return codes.Refuse(kerr.InvalidRequest, "The level of a logger is no list: only SET and DELETE change it.")
}

// errNoLogger refuses the name of a logger that there is not.
func errNoLogger(name string) error {
	return codes.Refuse(kerr.InvalidConfig, fmt.Sprintf("There is no logger %s.", name))
}
