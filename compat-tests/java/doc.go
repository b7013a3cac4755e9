// Package java tests the broker with Apache Kafka's own command-line tools, of
// release 3.9.2 and of release 4.4.0: topics, configs, get-offsets,
// delete-records, log-dirs, the console producer and consumer (by partition),
// the performance producer, and DumpLogSegments over what the broker wrote.
//
//	go test -count=1 ./compat-tests/java                        # against klamm
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/java    # against Apache Kafka 3.9.2
//
// A JVM takes a second or two to start, so each test asks for as much as it can
// with one run of a tool, and the tools of both releases run side by side.
package java
