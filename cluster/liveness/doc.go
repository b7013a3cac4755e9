// Package liveness finds out that another broker's process is dead, long before its session with the metadata tree ends.
//
// A dead process shows: its operating system ends its connections, and refuses new ones at its ports. A [Detector] keeps an idle
// connection to each broker that it watches. A broker counts as dead when that connection was ended by the other side and each of the
// broker's addresses refused a connection several times in a row. Nothing else is evidence: no time-out, no unreachable host, no
// slow answer, no error of this broker's own (want of descriptors or ports). A broker that hangs or is cut off is left to the end of its
// session.
//
// A broker may be taken for dead and live: its listener closed and opened again, a firewall that refuses. What follows from it has to be
// safe then (see the package's users): the cost is a change of leaders.
//
// The package decides nothing about the cluster. Begin reading at detector.go.
package liveness
