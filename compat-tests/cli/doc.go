// Package cli tests klamm's command line against a broker, of klamm or of Apache Kafka: what it prints, its exit codes, and that what klamm consume writes klamm
// produce reads back.
//
//	go test -count=1 ./compat-tests/cli
//	KLAMM_BROKER=apache go test -count=1 ./compat-tests/cli
package cli
