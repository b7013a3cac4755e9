// Package compare sends the same requests to klamm and to Apache Kafka 3.9.2,
// side by side on fresh directories, and compares the answers field by field.
//
// The requests are written by hand (the tables) and made by a seeded generator
// from the definitions of the messages (generate), for every API and version
// that both announce, well-formed and not. What two brokers cannot have in
// common is taken out first (normal): ids, ports, paths, the time of now. What
// then differs has to be an entry of the table of differences (known), with the
// reason why klamm answers otherwise; docs/differences.md is written from it. An
// entry that nothing in a run needs is an error as well.
//
// It never looks into klamm's rooms: what is served is what ApiVersions says.
//
// Begin reading at TestKlammAnswersAsApacheDoes. A run prints the counts; with
// -seed it makes other requests, with -only it asks some APIs only:
//
//	go test -count=1 -v ./compat-tests/compare -args -seed 7 -only Fetch,ListOffsets
package compare
