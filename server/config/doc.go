// Package config has what a user configures: every broker and topic property of Apache Kafka 3.9,
// where its value comes from, and who may change it while the broker runs.
//
// The table (broker_*.go, topic.go) holds for each property its name, type, default, range,
// importance, the way it may be changed and one or two sentences of what it does. [Load] puts a
// file, the environment and the command line on top of the defaults and gives a [Broker], which does
// not change. [Dynamic] adds what is kept in the metadata tree for this broker and for all brokers,
// and hands out [Values], immutable snapshots with typed getters. A topic's settings are resolved by
// [Dynamic.Topic]. [Dynamic.DescribeBroker] and [Dynamic.DescribeTopic] give the answers to DescribeConfigs.
// [Dynamic.AlterBroker] and [Dynamic.AlterTopic] check an IncrementalAlterConfigs,
// [Dynamic.ReplaceBroker] and [Dynamic.ReplaceTopic] an AlterConfigs.
//
// The package opens the configuration file and the files that its config providers name
// (config_provider.go), and nothing else. It opens no socket and reads no clock; its caller hands it the
// environment. It does not know where dynamic configuration is kept.
//
// It is large because it has each of the several hundred properties of Apache Kafka, by
// family in the files broker_*.go, and the tests that compare them with Kafka's own list.
//
// Begin reading at property.go, then load.go and dynamic.go.
package config

//go:generate go run ./gen ../../docs/configuration.md
