package config

import (
	"fmt"
	"strings"

	"klamm/server/loggers"
)

// logLevelsProperty has the levels that the loggers of a broker start with.
const logLevelsProperty = "klamm.log.levels"

// logLevels is the validator of a list of LOGGER=LEVEL.
var logLevels Validator = check{
	says: "LOGGER=LEVEL,... with the loggers " + strings.Join(loggers.Names(), ", ") + " and the levels " + loggers.LevelNames(),
	reject: func(_ string, value any) (string, string) {
		list, _ := value.([]string)
		for _, entry := range list {
			name, level, _ := strings.Cut(entry, "=")
			if entry == "" {
				continue
			}
			if !loggers.Exists(strings.TrimSpace(name)) {
				return entry, fmt.Sprintf("there is no logger %q", strings.TrimSpace(name))
			}
			if _, ok := loggers.Parse(strings.TrimSpace(level)); !ok {
				return entry, fmt.Sprintf("there is no level %q", strings.TrimSpace(level))
			}
		}
		return "", ""
	},
}

// SetLogLevels gives loggers the levels that they start with.
func (b *Broker) SetLogLevels(levels *loggers.Levels) {
	for _, entry := range b.values.List(logLevelsProperty) {
		name, level, _ := strings.Cut(entry, "=")
		if l, ok := loggers.Parse(strings.TrimSpace(level)); ok {
			levels.Set(strings.TrimSpace(name), l)
		}
	}
}

// LogAsJSON says whether the lines of the log are JSON: klamm.log.format.
func (b *Broker) LogAsJSON() bool { return b.values.String("klamm.log.format") == "json" }
