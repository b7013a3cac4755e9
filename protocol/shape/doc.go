// Package shape walks the bytes of a message before kmsg reads them, and says whether kmsg may. kmsg makes objects of all
// that a list claims, and a list is far cheaper on the wire than in memory. The walk counts the elements of all lists, makes
// nothing, and ends at a bound that its caller gives.
//
// It knows the fields of a message, not what they mean. Begin reading at shape.go.
package shape
