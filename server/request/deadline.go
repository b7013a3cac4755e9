package request

import (
	"context"
	"time"
)

// minWait is how long a request with a timeout of 0 or less waits for its change.
const minWait = 5 * time.Second

// MaxWait is the longest that a request waits, whatever timeout the client gives.
const MaxWait = 10 * time.Minute

// Within returns a context that ends after a request's timeout in ms, or when cut ends.
// The server ends cut when it waits for no request any more.
func Within(cut context.Context, timeoutMs int32) (context.Context, context.CancelFunc) {
	wait := time.Duration(timeoutMs) * time.Millisecond
	if wait <= 0 {
		wait = minWait
	}
	return context.WithTimeout(cut, min(wait, MaxWait))
}
