package replay

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Beating says what Beat sends: to the broker at Addr a heartbeat of each member every
// Every, for During. Every field is required.
type Beating struct {
	Addr        string
	Members     []*Member // joined
	Connections int       // that heartbeats go over, in turn
	Every       time.Duration
	During      time.Duration
}

// Beat sends every member's heartbeats, spread evenly over the time. Latencies are from when a heartbeat was due.
func Beat(ctx context.Context, b Beating) (Done, error) {
	n := len(b.Members)
	gap := b.Every / time.Duration(n)
	beats := max(1, int(b.During/gap))
	frames := make([][]byte, n)
	for i, m := range b.Members {
		frames[i] = formatter.AppendRequest(nil, m.heartbeat(), 0)
	}
	conns := make([]*net.TCPConn, b.Connections)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	for i := range conns {
		c, err := dial(ctx, b.Addr)
		if err != nil {
			return Done{}, fmt.Errorf("replay: connection %d: %w", i, err)
		}
		conns[i] = c
	}
	begun := time.Now()
	due := func(beat int) time.Time { return begun.Add(time.Duration(beat) * gap) }
	latencies := make([]int64, beats)
	// The last worker sends, each other one receives from a connection.
	if err := all(ctx, b.Connections+1, func(ctx context.Context, i int) error {
		if i == b.Connections {
			return sendBeats(ctx, conns, frames, beats, due)
		}
		stop := context.AfterFunc(ctx, func() { _ = conns[i].SetDeadline(time.Unix(1, 0)) })
		defer stop()
		in := bufio.NewReaderSize(conns[i], 512)
		for beat := i; beat < beats; beat += len(conns) {
			if err := receiveBeat(in, int32(beat)); err != nil {
				return fmt.Errorf("replay: heartbeat of group %s: %w", b.Members[beat%n].Group, err)
			}
			latencies[beat] = int64(time.Since(due(beat)))
		}
		return nil
	}); err != nil {
		return Done{}, err
	}
	return Done{Requests: int64(beats), Took: time.Since(begun), Latencies: latencies}, nil
}

// sendBeats sends heartbeats when they are due; the correlation id is the heartbeat's number.
func sendBeats(ctx context.Context, conns []*net.TCPConn, frames [][]byte, beats int, due func(int) time.Time) error {
	defer KeepThread()()
	for beat := range beats {
		SleepUntil(due(beat))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		frame := frames[beat%len(frames)]
		binary.BigEndian.PutUint32(frame[8:], uint32(beat)) // behind the length, the key and the version
		if _, err := conns[beat%len(conns)].Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// receiveBeat reads the answer to a Heartbeat.
func receiveBeat(in *bufio.Reader, correlation int32) error {
	const size = 4 + 1 + 4 + 2 + 1 // correlation id, tags, throttle time, code, tags
	var answer [4 + size]byte
	if _, err := io.ReadFull(in, answer[:]); err != nil {
		return err
	}
	if n := binary.BigEndian.Uint32(answer[:]); n != size {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	if err := checkOrder(answer[4:], correlation); err != nil {
		return err
	}
	return kerr.ErrorForCode(int16(binary.BigEndian.Uint16(answer[4+9:])))
}
