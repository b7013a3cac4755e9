// Package local keeps a metadata tree in one file on disk, for a broker that is alone.
//
// It is a plain file (bbolt: a B+ tree with copy-on-write pages) at the top of the first log
// directory, where Apache's broker does not trip over it. Every write is on the disk when it
// returns; a crash leaves all of a Multi or nothing. The nodes are the truth, nothing is rebuilt from them.
//
// The file has three buckets:
//
//	nodes       parent path, NUL, name -> stat and data (see node.go); the children of a node are neighbours
//	ephemerals  session id (8 bytes), path -> nothing; what goes when its session ends
//	counters    "zxid", "session" -> the last one given (8 bytes)
//
// The layout's version is in counters under "format". All numbers are big-endian.
//
// A file has one process, and a process may have several sessions on it. At open no session of a former process
// can still live, so all ephemerals go then. Begin reading at [Open]; writes are in write.go.
package local
