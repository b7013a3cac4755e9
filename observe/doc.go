// Package observe is how the rooms of the broker are seen from outside: counters, histograms and events, which the rooms are handed and
// write to, and which metrics and the log read.
//
// Nothing that the broker decides depends on what stands here. Every method works on a nil pointer and then does nothing, so a broker
// without an Observer is a broker whose observation is switched off.
//
// The package imports no other room, and every room may import it. What happens on each request is counted with atomic additions and
// without locks; what is rare is an Event. Nothing that a client chose becomes a name here: topics are those that the broker has replicas of, and
// APIs and errors are those of the protocol.
//
// Begin reading at Observer, then request.go, topic.go and event.go.
package observe
