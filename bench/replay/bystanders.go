package replay

import (
	"context"
	"fmt"
	"math"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bystanders are connections that ask for nothing while others are measured. Every
// other one waits in a fetch that is never answered, the rest have been answered once.
type Bystanders struct{ conns []*net.TCPConn }

// StandBy connects n bystanders. quiet is a topic of one partition that stays without records.
func StandBy(ctx context.Context, addr, quiet string, n int) (*Bystanders, error) {
	b := &Bystanders{}
	wait := newFetchFrame(quiet, 0, 1<<20, math.MaxInt32).at(0)
	for i := range n {
		c, err := Dial(ctx, addr) // one by one: a broker's backlog is short
		if err != nil {
			b.Close()
			return nil, fmt.Errorf("replay: connection %d: %w", i, err)
		}
		b.conns = append(b.conns, c.conn)
		if i%2 == 0 {
			_, err = c.Request(ctx, kmsg.NewPtrApiVersionsRequest())
		} else {
			_, err = c.conn.Write(wait)
		}
		if err != nil {
			b.Close()
			return nil, fmt.Errorf("replay: connection %d: %w", i, err)
		}
	}
	return b, nil
}

// Close closes the connections.
func (b *Bystanders) Close() {
	for _, c := range b.conns {
		_ = c.Close()
	}
}
