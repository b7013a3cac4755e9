// Package boundedlog writes log lines about what clients do at a bounded rate, so
// that no client fills a disk: ClientLog what clients did wrong, LimitLog which limits
// hold them back, and LimitLines whatever the rooms below log of what clients ask for.
// Each counts the lines that it left out and says so with the next one.
//
// It knows no connection and no API, and never waits.
package boundedlog
