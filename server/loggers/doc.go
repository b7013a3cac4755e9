// Package loggers holds the levels of a broker's log, one for each of its rooms. Operators change them while the
// broker runs, by the resources BROKER_LOGGER of IncrementalAlterConfigs and DescribeConfigs (KIP-412).
//
// A room takes its logger by logger.With(loggers.Key, "cluster.controller"): the handler of Levels recognizes the key and
// holds the lines from there on to the level of that logger. A logger without a level of its own has that of the one above
// it: cluster.controller has cluster's, and cluster has root's. Rooms that do not import this package write the key as "logger".
//
// It never writes a line itself, and knows no API.
//
// Begin reading at levels.go.
package loggers
