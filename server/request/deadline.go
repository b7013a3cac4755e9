package request

import (
	"context"
	"time"
)

// minWait is how long a request with a timeout of 0 or less waits for its change to the
// cluster. The client gets its change, and REQUEST_TIMED_OUT as the answer.
const minWait = 5 * time.Second

// maxWait is the longest that a request waits, whatever timeout the client gives.
const maxWait = 10 * time.Minute

// Within returns a context that ends after a request's timeout in ms, or when cut ends.
// The server ends cut when it waits for no request any more.
func Within(cut context.Context, timeoutMs int32) (context.Context, context.CancelFunc) {
	wait := time.Duration(timeoutMs) * time.Millisecond
	if wait <= 0 {
		wait = minWait
	}
	return context.WithTimeout(cut, min(wait, maxWait))
}
