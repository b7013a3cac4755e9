// Package sim runs whole clusters in one test process: brokers made by broker.Options, over disks, a network and a metadata tree in
// memory, on the virtual time of testing/synctest, while clients work and things go wrong as a seed says. It has tests alone.
//
//	make sim SIM=10m                               new seeds for ten minutes, on all cores
//	go test ./broker/sim -run TestSeeds -seed 17   one seed
//
// A run (run_test.go) draws the settings of the cluster, what clients and administrators do (producer_test.go, admin_test.go,
// internal/history) and the faults (faults_test.go) from its seed. In the end all faults are over, the cluster has to become well, the clients
// finish, and what they were told is held against what the brokers and their disks have. What the controllers write into the tree
// (tree_test.go) and what consumers see is checked while the run goes on. A failure prints the history, which begins with the seed.
//
// The seed decides what is done and when. It does not decide in which order goroutines run that can run at the same instant, nor how
// Go walks its maps: a run that failed may have to be repeated some times (-again 20) before it fails again.
//
// What it finds is itself tested: make mutants puts bugs in, one at a time (mutants_test.go).
//
// Begin reading at TestSeeds.
package sim
