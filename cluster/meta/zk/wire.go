package zk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"klamm/cluster/meta"
)

// The few frames that a link reads and writes itself. A frame is its length (4 bytes) and that many bytes; numbers are
// big-endian; a string or buffer is its length and its bytes (ZooKeeper's jute encoding).

// The operations and the numbers of requests that have a meaning of their own (org.apache.zookeeper.ZooDefs.OpCode,
// ClientCnxn).
const (
	opClose      = -11
	opAuth       = 100
	opSetWatches = 101

	xidNotification = -1
	xidAuth         = -4
)

// syncConnected is the state that a notification carries (KeeperState.SyncConnected).
const syncConnected = 3

const (
	maxHandshake = 1024     // a connect response has about 40 bytes
	maxFrame     = 64 << 20 // bounds an answer: the list of a node's children, say
)

// grant is what a server answers to a request to connect.
type grant struct {
	session   int64 // 0 if the session has expired
	timeoutMs int32
	password  []byte
}

var errHandshake = errors.New("the answer is not that of a ZooKeeper server")

// decodeGrant reads a connect response without its length.
func decodeGrant(b []byte) (grant, error) {
	if len(b) < 4+4+8+4 {
		return grant{}, errHandshake
	}
	g := grant{timeoutMs: int32(binary.BigEndian.Uint32(b[4:])), session: int64(binary.BigEndian.Uint64(b[8:]))}
	n := int(int32(binary.BigEndian.Uint32(b[16:])))
	if n < 0 || n > len(b)-20 {
		return grant{}, errHandshake
	}
	g.password = append([]byte{}, b[20:20+n]...)
	if g.session != 0 && g.timeoutMs <= 0 {
		return grant{}, errHandshake
	}
	return g, nil
}

// frame makes a frame of what f appends.
func frame(f func(b []byte) []byte) []byte {
	b := f(make([]byte, 4, 64))
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func appendInt(b []byte, n int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }

func appendLong(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

func appendBuffer[T string | []byte](b []byte, s T) []byte {
	return append(appendInt(b, int32(len(s))), s...)
}

// connectFrame asks for a session: a new one with session 0, or one that there is.
func connectFrame(session int64, password []byte, timeoutMs int32) []byte {
	return frame(func(b []byte) []byte {
		b = appendInt(b, 0)  // protocol version
		b = appendLong(b, 0) // last transaction seen
		b = appendInt(b, timeoutMs)
		b = appendLong(b, session)
		return appendBuffer(b, password)
	})
}

// closeFrame ends a session.
func closeFrame(xid int32) []byte {
	return frame(func(b []byte) []byte { return appendInt(appendInt(b, xid), opClose) })
}

// authFrame gives the credentials of a scheme.
func authFrame(scheme, auth string) []byte {
	return frame(func(b []byte) []byte {
		b = appendInt(appendInt(b, xidAuth), opAuth)
		b = appendInt(b, 0)
		return appendBuffer(appendBuffer(b, scheme), auth)
	})
}

// appendAnswer appends the header with which each frame begins that comes after the connect response: the request's
// number, a transaction (none), and an error's code.
func appendAnswer(b []byte, xid, code int32) []byte {
	return appendInt(appendLong(appendInt(b, xid), 0), code)
}

// answerHeaderBytes is the length of that header.
const answerHeaderBytes = 4 + 8 + 4

// decodeAnswer reads that header, from a frame without its length.
func decodeAnswer(b []byte) (xid, code int32, err error) {
	if len(b) < answerHeaderBytes {
		return 0, 0, errHandshake
	}
	return int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[12:])), nil
}

// eventFrame says that a watch fired.
func eventFrame(e meta.Event) []byte {
	return frame(func(b []byte) []byte {
		b = appendAnswer(b, xidNotification, 0)
		b = appendInt(appendInt(b, int32(e.Type)), syncConnected)
		return appendBuffer(b, e.Path)
	})
}

// decodeRequest gives the number and the operation of a request, from one whole frame.
func decodeRequest(b []byte) (xid, op int32, err error) {
	if len(b) < 12 {
		return 0, 0, fmt.Errorf("a request of %d bytes has no header", len(b))
	}
	return int32(binary.BigEndian.Uint32(b[4:])), int32(binary.BigEndian.Uint32(b[8:])), nil
}

// readFrame reads a frame of a handshake, with its length.
func readFrame(r io.Reader) ([]byte, error) {
	b := make([]byte, 4)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(b)
	if n > maxHandshake {
		return nil, errHandshake
	}
	b = append(b, make([]byte, n)...)
	_, err := io.ReadFull(r, b[4:])
	return b, err
}
