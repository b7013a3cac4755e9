package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// patience is how long a message may wait for room in the queue of a service manager that does not read it. A broker must not hang because systemd
// does.
const patience = 5 * time.Second

// notifier sends states to the socket of the service manager. A nil one sends nothing. Its methods may be called by several goroutines.
type notifier struct {
	conn     net.Conn
	patience time.Duration
}

// dial gives the notifier for the socket that NOTIFY_SOCKET names, nil where it names none. A name that begins with @ is one of Linux's
// abstract names, as package net has them too.
func dial(socket string) (*notifier, error) {
	if socket == "" {
		return nil, nil
	}
	if socket[0] != '/' && socket[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%s is neither a path nor an abstract name of a Unix socket", socket)
	}
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%s: %w", socket, err)
	}
	return &notifier{conn, patience}, nil
}

// send tells a state, one assignment a line.
func (n *notifier) send(assignments ...string) error {
	if n == nil {
		return nil
	}
	if err := n.conn.SetWriteDeadline(time.Now().Add(n.patience)); err != nil {
		return err
	}
	_, err := n.conn.Write([]byte(strings.Join(assignments, "\n")))
	return err
}

// watchdog is how long the service manager waits for a sign of life (WATCHDOG_USEC), 0 where it does not watch this process.
func watchdog(getenv func(string) string, pid int) (time.Duration, error) {
	usec, watched := getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")
	if usec == "" || watched != "" && watched != strconv.Itoa(pid) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("WATCHDOG_USEC=%s is no number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}
