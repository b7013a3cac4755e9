package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"klamm/bench/limit"
	"klamm/bench/replay"
)

// limitArgument makes this program the limit: limitArgument, an address, a directory.
const limitArgument = "serve-the-limit"

// serveLimit serves until standard input ends, which it does when the process dies
// that started this one. The first line that it prints is its address.
func serveLimit(addr, dir string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // connections may still be open
	}()
	fmt.Println(l.Addr())
	return limit.Serve(l, dir)
}

// limitProcess is the limit as a target. It knows no topics: for each one a process
// of its own begins with an empty directory.
type limitProcess struct {
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
	at    string
}

func (l *limitProcess) addr() string { return l.at }

func (l *limitProcess) pids() []int { return []int{l.cmd.Process.Pid} }

func (l *limitProcess) places(partitions int) []place {
	return []place{{l.at, replay.First(partitions)}}
}

func (l *limitProcess) makeTopic(context.Context, string, int, map[string]string) error {
	if err := l.close(); err != nil {
		return err
	}
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, limitArgument, "127.0.0.1:0", l.dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	l.cmd, l.stdin = cmd, stdin
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("the limit does not come up: %w", err), l.close())
	}
	l.at = strings.TrimSpace(line)
	return nil
}

func (l *limitProcess) dropTopic(context.Context, string) error { return l.close() }

func (l *limitProcess) close() error {
	if l.cmd == nil {
		return nil
	}
	l.stdin.Close()
	err := l.cmd.Wait()
	l.cmd = nil
	return errors.Join(err, os.RemoveAll(filepath.Clean(l.dir)))
}
