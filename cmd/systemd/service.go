package systemd

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	extendEvery = 5 * time.Second
	// extendBy is how much time a start asks for each time. A process that hangs as a whole asks no more, and is ended after it.
	extendBy = 30 * time.Second
)

// Service is the process as the service manager sees it. Starting, Ready and Stopping are called in this order, each at most once, and Close
// last, from one goroutine. Stopping may follow Starting. A nil Service is that of a process that nobody manages.
type Service struct {
	to       *notifier
	watchdog time.Duration
	logger   *slog.Logger
	phase    chan struct{} // is closed when the phase ends whose loop runs; nil while none does
	ended    chan struct{} // is closed when that loop has ended
}

// New gives the service that the environment tells of, nil where nobody manages the process. pid is that of the process.
func New(getenv func(string) string, pid int, logger *slog.Logger) (*Service, error) {
	to, err := dial(getenv("NOTIFY_SOCKET"))
	if err != nil || to == nil {
		return nil, err
	}
	s := &Service{to: to, logger: logger}
	if s.watchdog, err = watchdog(getenv, pid); err != nil {
		return nil, errors.Join(err, to.conn.Close())
	}
	return s, nil
}

// Starting says that the broker starts, and asks for time for as long as it does: recovery may take hours. progress says how far it is; it
// may be called at any time until Ready or Stopping returns.
func (s *Service) Starting(progress func() string) {
	if s == nil {
		return
	}
	s.loop(extendEvery, func() {
		s.send("STATUS="+progress(), fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extendBy.Microseconds()))
	})
}

// Ready says that the broker takes clients. From then on alive is called again and again; the service manager gets a sign of life
// each time that it returns. When it does not, the service manager ends the process after WatchdogSec and starts it again.
func (s *Service) Ready(status string, alive func()) {
	if s == nil {
		return
	}
	s.end()
	<-s.ended // so that nothing of the start is said after READY=1
	s.send("READY=1", "STATUS="+status)
	if s.watchdog == 0 {
		return
	}
	s.loop(s.watchdog/4, func() {
		alive()
		s.send("WATCHDOG=1")
	})
}

// Stopping says that the broker stops. TimeoutStopSec bounds how long that takes; what the watchdog looks at is being taken apart by then.
func (s *Service) Stopping() {
	if s == nil {
		return
	}
	s.end()
	s.send("STOPPING=1", "STATUS=stopping: giving leaderships up and writing the logs")
	if s.watchdog > 0 {
		s.loop(s.watchdog/4, func() { s.send("WATCHDOG=1") })
	}
}

// Close ends what is left of the service, at the end of the process or before.
func (s *Service) Close() error {
	if s == nil {
		return nil
	}
	s.end()
	return s.to.conn.Close()
}

// loop calls f now and then every so often, until end.
func (s *Service) loop(every time.Duration, f func()) {
	phase, ended := make(chan struct{}), make(chan struct{})
	s.phase, s.ended = phase, ended
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			f()
			select {
			case <-phase:
				return
			case <-tick.C:
			}
		}
	}()
}

// end has the loop end after its present round, for which it does not wait: alive may hang.
func (s *Service) end() {
	if s.phase != nil {
		close(s.phase)
		s.phase = nil
	}
}

// send tells the service manager something, or the log that it could not.
func (s *Service) send(assignments ...string) {
	if err := s.to.send(assignments...); err != nil {
		s.logger.Warn("systemd was not told how the broker is", "error", err)
	}
}
