// Package harness starts the broker that the black-box tests talk to, and runs
// the clients that are not Go: kcat and the Java tools.
//
// The broker is klamm, built once per test process from this module, or Apache
// Kafka 3.9.2 with the ZooKeeper that it brings, when KLAMM_BROKER=apache. A
// test does not know which one it has, except through [Reference], which it may
// ask only where the two are allowed to differ (klamm serves the version ranges
// of Kafka 4.3). A caller that names its broker may have Kafka 4.4.0 as well, a single
// KRaft node: Options.Release.
//
// Everything listens on 127.0.0.1, or on the hosts of a [Network], on ports that were free a moment before, and
// keeps its data in a temporary directory. Processes die with the test process,
// however that ends. When a test package fails, the brokers' logs are kept
// under build/logs and their names are printed.
//
// [StartCluster] starts several brokers on one ZooKeeper, klamm and Apache Kafka 3.9.2 side by
// side where a test says so, and [Cluster.Tree] shows what they keep there.
//
// With KLAMM_BROKERS=3 a test gets three such brokers in the place of one, and with KLAMM_ROLLING=1 they are restarted one after the
// other while it runs: see [Brokers] and [Rolling].
//
// Begin reading at [Start] (a broker of one test), [Main] (one broker for the
// tests of a package), [StartCluster], [Java] and [Kcat].
package harness
