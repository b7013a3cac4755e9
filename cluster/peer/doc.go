// Package peer has this broker's connections to others, by the part that they play: [BrokerChannel] is the controller's
// connection to a broker, over which it gives its orders; [ControllerChannel] is a broker's connection to the controller, from
// which it asks for changes of ISRs and for producer ids.
//
// Both heal: they dial again, wait longer after each failure, and send a request again until it is answered. They decide
// nothing about the cluster, and know no socket: they are handed a function that dials.
//
// Begin reading at conn.go.
package peer
