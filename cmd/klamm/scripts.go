package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"klamm/cmd/scripts"
)

// runScript runs the script of Kafka's that the command line calls, by the name of the program or by the first argument.
// It says whether there is one, and its exit code. What a script prints goes straight out, at the pace of who reads it.
func runScript(args []string) (code int, called bool) {
	script, rest, called := scripts.Called(args)
	if !called {
		return 0, false
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return script.Run(ctx, rest, scripts.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}), true
}
