// Package replay sends a broker requests that were encoded once, over raw
// connections, so that the client costs as little as a client can: no request is
// encoded while the clock runs, answers are read and only their error codes looked
// at, and records that come back are dropped inside the kernel.
//
// An error code, an answer out of order or one that cannot be read ends the run
// with an error: a broker that refuses is not fast.
//
// It never measures the broker's process and knows no table. Begin reading at
// [Send] and [Fetch].
package replay
