package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"klamm/broker"
	"klamm/metrics"
	"klamm/observe"
)

// turnTimeout is how long the broker's rooms may take to answer before the process counts as hanging.
const turnTimeout = 5 * time.Second

// healthz says whether the process turns: whether the locks that every request takes can be had. It is 200 also while the broker starts and stops, so
// that nobody kills a broker that recovers.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	if b := s.o.Broker(); b != nil && !turns(r.Context(), b) {
		http.Error(w, "the broker hangs: its rooms do not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// turns looks into each room that requests go through.
func turns(ctx context.Context, b *broker.Broker) bool {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Alive()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// readyz says whether clients should be sent here: the broker runs, and reaches the metadata tree. It does not depend on replicas that are out of
// sync: a rolling restart would never end.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	state, b := s.o.Life.State(), s.o.Broker()
	switch {
	case state != observe.Running || b == nil:
		http.Error(w, "not ready: the broker is in the state "+state.String(), http.StatusServiceUnavailable)
	case !b.Connected():
		http.Error(w, "not ready: the broker does not reach the metadata tree", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ready")
	}
}

// brokerState gives the state as Strimzi's agent does.
func (s *Server) brokerState(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"brokerState": int(s.o.Life.State())})
}

// maxBlocking is how many partitions safeToRestart names.
const maxBlocking = 100

// safeToRestart says whether the broker can be restarted without a partition falling below min.insync.replicas. It answers 503 with the partitions
// that would. Those that have no more replicas than min.insync.replicas fall below it at any restart, and do not count.
func (s *Server) safeToRestart(w http.ResponseWriter, _ *http.Request) {
	b := s.o.Broker()
	if b == nil || s.o.Life.State() != observe.Running {
		answer(w, http.StatusServiceUnavailable, map[string]any{"safe": false, "reason": "the broker is in the state " + s.o.Life.State().String()})
		return
	}
	blocking := metrics.SafeToRestart(b)
	status, names := http.StatusOK, []string{}
	for _, tp := range blocking[:min(len(blocking), maxBlocking)] {
		names = append(names, tp.String())
	}
	if len(blocking) > 0 {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, map[string]any{"safe": len(blocking) == 0, "blocking": len(blocking), "partitions": names})
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
