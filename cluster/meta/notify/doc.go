// Package notify brings what happens to a session to its [meta.Watcher]: one call at a time, in order, and never on the
// goroutine that found it out. All stores use it. It knows no tree: which watches are set is the store's to know.
//
// Begin reading at [Queue].
package notify
