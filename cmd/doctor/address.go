package doctor

import (
	"context"
	"net"
	"strings"
	"time"
)

// connectWithin bounds how long one connection may take.
const connectWithin = 5 * time.Second

// reach resolves an address and connects to it.
func reach(ctx context.Context, address string) (ips []string, resolve, connect error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	if ips, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return nil, err, nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return ips, nil, err
	}
	_ = conn.Close() // nothing was sent
	return ips, nil, nil
}

// loopback says whether an address is one of the machine itself, whatever machine that is.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
