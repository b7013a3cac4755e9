// Package cluster tests clusters of brokers on ZooKeeper from outside.
//
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/cluster
//	KLAMM_BROKER=klamm go test -count=1 -v -run 'Life|Faults' ./compat-tests/cluster -args -kinds=apache,klamm,apache -first=2
//
// TestTrees (trees_test.go) runs commands of administration, has brokers stop and start, and holds what each of them
// changes in the tree of znodes against what Apache Kafka 3.9.2 made of it, which testdata/trees keeps.
//
// TestRacks (racks_test.go) fetches from a leader and a follower in different racks, and compares the answers with those of Apache Kafka
// 3.9.2, which testdata/racks keeps.
//
// TestThrottledReassignment (throttles_test.go) has kafka-reassign-partitions move a replica with a throttle.
//
// TestRoll (roll_test.go) replaces the brokers of a cluster of Apache Kafka by klamm and back, as docs/migration.md says. What the cluster holds is in
// roll_contents_test.go, what goes on meanwhile in roll_amid_test.go, roll_guests_test.go and payer_test.go.
//
// TestLifeOfACluster (life_test.go) and TestFaults (faults_test.go) do things to three brokers, which a test mixes of
// klamm and Apache Kafka, while clients produce, read and commit (load_test.go, internal/history). Then they hold what the
// clients were told against what the brokers have and what stands on their disks (check_test.go, disk_test.go). They
// print the longest pause in the acknowledgements of each thing that was done.
//
// TestChaos (chaos_test.go) does each further fault once, or with -chaos=1h all of them at random, on brokers that have hosts and disks of their own:
// links that lose packets, one way or both, or are slow (links_test.go), and disks that fail or are full (disks_test.go). While a fault lasts, a
// partition is to move and a topic to be deleted (aside_test.go).
//
//	KLAMM_BROKER=klamm go test -count=1 -v -run Chaos ./compat-tests/cluster -args -only='cut off|links'
package cluster
