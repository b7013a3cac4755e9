// Package doctor looks at what breaks clusters though every broker runs: addresses that clients are told and cannot reach, clocks that differ,
// disks that fill, limits of the system. It looks from where it runs, at a machine with its configuration file, or at a cluster that it
// reaches by its protocol, of klamm or of Apache Kafka.
//
// It changes nothing: it opens no file for writing, makes no node and sends no request that writes.
//
// Begin reading at check.go, then local.go and remote.go.
package doctor
