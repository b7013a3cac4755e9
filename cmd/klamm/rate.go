package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"
)

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
