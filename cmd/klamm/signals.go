package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
)

// This table says what each signal does. Apache Kafka's broker does the same, except that the JVM decides what SIGUSR1 and a
// second SIGINT do there:
//
//	SIGTERM, SIGINT, SIGHUP  stop the broker cleanly. SIGHUP and SIGINT do nothing if the process was started with them
//	                         ignored, for example by nohup
//	SIGQUIT                  writes the stacks of all goroutines to stderr; the broker goes on
//	SIGPIPE, SIGXFSZ         do nothing: the write fails, and its caller handles the error
//	SIGUSR1, SIGUSR2         write a line to the log; the broker goes on
//	a second SIGINT          ends the process at once, and not cleanly, since a person pressed Ctrl-C again. Further SIGTERMs
//	                         and SIGHUPs do nothing, since programs send those and may repeat them
//
// Any other signal does what it does to every Go program.

// signals receives the signals of the process and acts on them.
type signals struct {
	came   chan os.Signal
	stop   context.CancelFunc
	logger *slog.Logger
	stderr io.Writer // where the stacks go
	exit   func(code int)
	quiet  *atomic.Bool // the command itself says that it stops

	interrupts int
}

// interrupted is the exit code after a second SIGINT. A shell reports the same code for a process that SIGINT ended.
const interrupted = 128 + int(syscall.SIGINT)

// watchSignals receives signals from now on. The context that it gives ends with the first signal that stops the broker.
// It says so in the log, but where quiet is set.
func watchSignals(logger *slog.Logger, stderr io.Writer, quiet *atomic.Bool) context.Context {
	ctx, stop := context.WithCancel(context.Background())
	s := &signals{came: make(chan os.Signal, 16), stop: stop, logger: logger, stderr: stderr, exit: os.Exit, quiet: quiet}
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
				go func() { s.dump(); <-dumps }() // a goroutine of its own, since the reader of stderr may read nothing
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
				if !s.quiet.Load() {
					s.logger.Info("stopping; a second Ctrl-C ends the process at once, and not cleanly", "signal", name(sig))
				}
				s.stop()
			}
		}
	}
}

// name gives the signal as operators write it.
func name(sig os.Signal) string {
	names := map[os.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT", syscall.SIGHUP: "SIGHUP", syscall.SIGUSR1: "SIGUSR1", syscall.SIGUSR2: "SIGUSR2"}
	return names[sig]
}

// maxDump is how many bytes of stacks dump writes at most.
const maxDump = 64 << 20

// dump writes the stacks of all goroutines.
func (s *signals) dump() {
	for size := 1 << 20; ; size *= 4 {
		stacks := make([]byte, min(size, maxDump))
		if n := runtime.Stack(stacks, true); n < len(stacks) || size >= maxDump {
			_, _ = s.stderr.Write(append(stacks[:n], '\n')) // there is nobody to report a failed write to
			return
		}
	}
}
