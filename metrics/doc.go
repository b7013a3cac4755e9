// Package metrics shows what a broker does as Prometheus metrics, under the names that dashboards, alerts and exporters for Apache Kafka already
// use:
//
//   - those that the rules of the usual JMX exporters give (kafka_server_..., kafka_network_..., kafka_log_..., kafka_controller_...);
//   - those of kafka_exporter (kafka_brokers, kafka_topic_partition_..., kafka_consumergroup_...);
//   - the lag of groups in seconds, as kafka-lag-exporter names it (kafka_consumergroup_group_lag_seconds);
//   - on a path of their own, those that Cruise Control reads;
//   - process_... and go_..., and what only klamm has, as klamm_....
//
// The package reads the broker and changes nothing; no other room depends on it. A scrape locks no partition for longer than it takes to read a
// few numbers. Names of topics and groups are those that exist, and there is a bound on how many partitions have series of their own.
//
// Begin reading at gatherer.go; there is one file for each kind of thing that is measured.
package metrics
