// Package compaction kills the broker with SIGKILL while it compacts, again and
// again, and then asks for the latest value of every key.
//
//	go test -count=1 ./compat-tests/compaction                        # against klamm, a few kills
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/compaction    # against Apache Kafka 3.9.2
//	make compaction KILLS=100                                         # 100 kills amid a compaction
//
// What must hold after each: every key has its latest acknowledged value or a later
// one, a key that was deleted does not come back, what is there is what was written,
// at its offset, and in the end DumpLogSegments finds nothing wrong in the files.
//
// policy_test.go has retention, changes of policy, deletions and restarts meet a compaction.
//
// Begin at kill_test.go. table_test.go writes and reads, moment_test.go finds the
// moments: the kernel tells it (inotify) which files the broker makes and renames.
package compaction
