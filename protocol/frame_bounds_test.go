package protocol

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// A request is held against its API as soon as its key has come: nothing of the rest is there yet.
func TestALengthIsHeldAgainstItsAPI(t *testing.T) {
	const announced = 90 << 20
	for _, api := range APIs() {
		head := binary.BigEndian.AppendUint16(nil, uint16(api.Key))
		head = binary.BigEndian.AppendUint16(head, uint16(api.Max))
		err := CheckFrameSize(bufio.NewReader(bytes.NewReader(head)), announced, false)
		var large *TooLargeError
		if refused := errors.As(err, &large); refused == (api.Key == KeyProduce) {
			t.Errorf("%s: %v", api.Name, err)
		}
		if err := CheckFrameSize(bufio.NewReader(bytes.NewReader(head)), 7<<20, false); err != nil {
			t.Errorf("%s: %v", api.Name, err)
		}
	}
	var unknown *UnknownAPIError
	if err := CheckFrameSize(bufio.NewReader(bytes.NewReader([]byte{0x7f, 0xff, 0, 3})), announced, false); !errors.As(err, &unknown) {
		t.Errorf("a key that is not served: %v", err)
	}
	if err := CheckFrameSize(bufio.NewReader(bytes.NewReader([]byte{0, 0})), announced, false); err != io.ErrUnexpectedEOF {
		t.Errorf("half a key: %v", err)
	}
}

// Requests between brokers are larger than those of clients, where brokers use the listener.
func TestBoundsBetweenBrokers(t *testing.T) {
	for _, api := range APIs() {
		switch client, peer := api.MaxBytes(false), api.MaxBytes(true); {
		case api.Sender == Brokers && (client != MaxRequestBytes || peer != MaxPeerBytes):
			t.Errorf("%s, which brokers send: %d bytes on a listener for clients, and %d on one for brokers", api.Name, client, peer)
		case api.Sender != Brokers && client != peer:
			t.Errorf("%s, which brokers do not send alone: %d bytes on a listener for clients, and %d on one for brokers", api.Name, client, peer)
		}
	}
}

// watchedReader gives zeros, and notes how large the buffer is that they go to.
type watchedReader struct {
	left, given, largest, most int // bytes; most is the largest buffer for each byte that was given, in percent
}

func (r *watchedReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if room := r.given + len(p); r.given >= largeRead {
		r.largest = max(r.largest, room)
		r.most = max(r.most, 100*room/r.given)
	}
	n := min(len(p), r.left, 4096)
	clear(p[:n])
	r.left -= n
	r.given += n
	return n, nil
}

// A client that announces 90 MB and sends some of it has no more than twice that in a buffer, however far it comes.
func TestLargeBuffersAreTwiceWhatCame(t *testing.T) {
	r := &watchedReader{left: 17 << 20}
	br := bufio.NewReaderSize(r, 16)
	if _, err := ReadFrameBody(br, 90<<20, nil); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	if r.largest > 2*(17<<20) || r.most > 401 { // the step to largeRead may still be one of growth
		t.Errorf("a buffer of %d bytes for %d, and of %d %% at most", r.largest, 17<<20, r.most)
	}
}
