// Package metrics compares the metrics of klamm with those of Apache Kafka 3.9.2, which the JMX exporter shows by the rules that dashboards
// expect (testdata/rules.yaml). Both brokers get the same load. The names and the keys of labels have to be the same, but for those that
// left-out.txt lists with a reason.
//
// Begin reading at oracle_test.go.
package metrics
