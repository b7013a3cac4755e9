// Package local keeps a metadata tree in one file on disk, for a broker that is alone.
//
// It is a plain file (bbolt: a B+ tree with copy-on-write pages) at the top of the first log
// directory, where Apache's broker ignores it. Every write is on the disk when it
// returns; a crash leaves all of a Multi or nothing. Nothing in the file is rebuilt from anything else.
//
// The file has three buckets:
//
//	nodes       parent path, NUL, name -> stat and data (see node.go); the children of a node are neighbours
//	ephemerals  session id (8 bytes), path -> nothing; the nodes that are deleted when their session ends
//	counters    "zxid", "session" -> the last one given (8 bytes)
//
// The layout's version is in counters under "format". All numbers are big-endian.
//
// One process has the file open at a time, and may have several sessions on it. Open deletes all ephemeral nodes: no
// session of an earlier process can still live. Begin reading at [Open]; writes are in write.go.
package local
