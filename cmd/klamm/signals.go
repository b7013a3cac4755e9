package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// What signals do. Apache Kafka's broker does the same, but that SIGUSR1 and a second SIGINT do to it what they do to any JVM:
//
//	SIGTERM, SIGINT, SIGHUP  stop cleanly, SIGHUP and SIGINT unless the process was started with them ignored, as by nohup
//	SIGQUIT                  writes the stacks of all goroutines to stderr, and the broker goes on
//	SIGPIPE, SIGXFSZ         nothing: a write fails, and what wrote deals with that
//	SIGUSR1, SIGUSR2         write a line to the log, and the broker goes on
//	a second SIGINT          during a stop ends the process at once, and not cleanly: it is a person who presses Ctrl-C again.
//	                         Further SIGTERMs and SIGHUPs change nothing: programs send those, and may well repeat them
//
// Everything else does what it does to any program in Go.

// signals takes the process' signals.
type signals struct {
	came   chan os.Signal
	stop   context.CancelFunc
	logger *slog.Logger
	stderr io.Writer // of the stacks
	exit   func(code int)

	interrupts int
}

// interrupted is the exit code after a second SIGINT, as a shell has it for a process that the signal ended.
const interrupted = 128 + int(syscall.SIGINT)

// watchSignals takes signals from now on. The context ends with the one that stops the broker.
func watchSignals(logger *slog.Logger, stderr io.Writer) context.Context {
	ctx, stop := context.WithCancel(context.Background())
	s := &signals{came: make(chan os.Signal, 16), stop: stop, logger: logger, stderr: stderr, exit: os.Exit}
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	take := []os.Signal{syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			take = append(take, sig)
		}
	}
	signal.Notify(s.came, take...)
	go s.run(ctx)
	return ctx
}

// run acts on signals, for as long as the process lives.
func (s *signals) run(ctx context.Context) {
	dumps := make(chan struct{}, 1)
	for sig := range s.came {
		switch sig {
		case syscall.SIGQUIT:
			select {
			case dumps <- struct{}{}:
				go func() { s.dump(); <-dumps }() // its reader may stand still
			default:
			}
		case syscall.SIGUSR1, syscall.SIGUSR2:
			s.logger.Info("the signal has no meaning here and is passed over", "signal", name(sig))
		default:
			if sig == syscall.SIGINT {
				if s.interrupts++; s.interrupts == 2 {
					s.exit(interrupted)
				}
			}
			if ctx.Err() == nil {
				s.logger.Info("stopping; a second Ctrl-C ends the process at once, and not cleanly", "signal", name(sig))
				s.stop()
			}
		}
	}
}

// name is the signal as operators write it.
func name(sig os.Signal) string {
	names := map[os.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT", syscall.SIGHUP: "SIGHUP", syscall.SIGUSR1: "SIGUSR1", syscall.SIGUSR2: "SIGUSR2"}
	return names[sig]
}

// maxDump is how many bytes of stacks are written.
const maxDump = 64 << 20

// dump writes the stacks of all goroutines.
func (s *signals) dump() {
	for size := 1 << 20; ; size *= 4 {
		stacks := make([]byte, min(size, maxDump))
		if n := runtime.Stack(stacks, true); n < len(stacks) || size >= maxDump {
			_, _ = s.stderr.Write(append(stacks[:n], '\n')) // nobody is there to be told of a failure
			return
		}
	}
}
