// Package boundedlog writes log lines about clients at a bounded rate, so that no
// client can fill the disk. ClientLog writes the errors of clients. LimitLog writes which
// limits hold clients back. LimitLines bounds the lines that the packages below the server
// write when they do what clients ask for. Each counts the lines that it left out and
// gives their number with the next line.
//
// It knows no connection and no API, and never waits.
package boundedlog
