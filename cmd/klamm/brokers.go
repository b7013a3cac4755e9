package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// brokers is the flag --bootstrap-server of the commands that ask a cluster: addresses with commas between them.
type brokers []string

func (b *brokers) add(cmd *cobra.Command) {
	cmd.Flags().Var(b, "bootstrap-server", "`addresses` of brokers, host:port,...; the first that answers tells of the others")
}

// Set takes a value of the flag.
func (b *brokers) Set(value string) error {
	for addr := range strings.SplitSeq(value, ",") {
		addr = strings.TrimSpace(addr)
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			return fmt.Errorf("%q is not host:port", addr)
		}
		*b = append(*b, addr)
	}
	return nil
}

// Type names the kind of value for the help.
func (b *brokers) Type() string { return "addresses" }

func (b *brokers) String() string { return strings.Join(*b, ",") }

// missing gives an error if the flag was not given.
func (b *brokers) missing() error {
	if len(*b) == 0 {
		return errors.New("--bootstrap-server has to name a broker, host:port")
	}
	return nil
}

// rate is the flag --throttle, in bytes per second; 0 is no bound.
type rate int64

func (r *rate) add(cmd *cobra.Command, usage string) { cmd.Flags().Var(r, "throttle", usage) }

// Set takes a value of the flag.
func (r *rate) Set(value string) error {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 {
		return errors.New("it is a whole number of bytes per second, more than 0")
	}
	*r = rate(n)
	return nil
}

// Type names the kind of value for the help.
func (r *rate) Type() string { return "bytes" }

func (r *rate) String() string { return strconv.FormatInt(int64(*r), 10) }
