//go:build !linux

package harness

import "errors"

// Network is for Linux alone.
type Network struct{}

type host struct{}

func newNetwork(int) (*Network, error) {
	return nil, errors.New("harness: a network for the tests takes Linux")
}

// Set does nothing.
func (n *Network) Set(Party, Party, Link) {}

// Heal does nothing.
func (n *Network) Heal() {}

func (n *Network) close() {}

func (n *Network) host(int32) *host { return nil }

func (h *host) on(do func() error) error { return do() }
