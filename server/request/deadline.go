package request

import (
	"context"
	"time"
)

// minWait is how long a change to the cluster is waited for at least. A client
// that gives no time still gets its change, and is told that it timed out.
const minWait = 5 * time.Second

// maxWait bounds what a client may make us wait.
const maxWait = 10 * time.Minute

// Within gives a context for a request's timeout in ms. It ends with cut, which is when
// the server waits for no request any more.
func Within(cut context.Context, timeoutMs int32) (context.Context, context.CancelFunc) {
	wait := time.Duration(timeoutMs) * time.Millisecond
	if wait <= 0 {
		wait = minWait
	}
	return context.WithTimeout(cut, min(wait, maxWait))
}
