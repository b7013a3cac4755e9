package server_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is a client's connection with nothing between the test and the bytes.
type wire struct {
	nc          net.Conn
	correlation int32
	format      *kmsg.RequestFormatter
}

// patience bounds how long a test waits for an answer that does not come.
const patience = 30 * time.Second

func dial(t testing.TB, addr string) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &wire{nc: nc, format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("golden"))}
}

func (w *wire) close() { _ = w.nc.Close() }

// send writes a request of the version that is set in it.
func (w *wire) send(req kmsg.Request) error {
	w.correlation++
	_, err := w.nc.Write(w.format.AppendRequest(nil, req, w.correlation))
	return err
}

// receive reads the answer to the request of the given correlation id.
func (w *wire) receive(req kmsg.Request, correlation int32) (kmsg.Response, error) {
	_ = w.nc.SetReadDeadline(time.Now().Add(patience))
	var size [4]byte
	if _, err := io.ReadFull(w.nc, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(w.nc, body); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(body)); got != correlation {
		return nil, fmt.Errorf("the answer is to request %d, not %d", got, correlation)
	}
	body = body[4:]
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if req.Key() == int16(kmsg.ApiVersions) {
		if len(body) > 1 && body[1] == 35 {
			resp.SetVersion(0)
		}
	} else if resp.IsFlexible() {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, err
	}
	// What klamm sends is made by kmsg: it has to be what the reference sends.
	if again := resp.AppendTo(nil); !bytes.Equal(again, body) {
		return resp, &encodingError{resp, body, again}
	}
	return resp, nil
}

// encodingError says that an answer is not, byte for byte, what kmsg makes of it.
type encodingError struct {
	resp        kmsg.Response
	wire, again []byte
}

func (e *encodingError) Error() string {
	return fmt.Sprintf("%s v%d is on the wire\n%x\nand as kmsg writes it\n%x", kmsg.NameForKey(e.resp.Key()), e.resp.GetVersion(), e.wire, e.again)
}

// ask sends a request and gives its answer; an error when the broker closes
// the connection instead.
func (w *wire) ask(req kmsg.Request) (kmsg.Response, error) {
	if err := w.send(req); err != nil {
		return nil, err
	}
	return w.receive(req, w.correlation)
}

// answeredOrClosed reads answers until that with the given correlation id comes
// or the broker closes the connection; false when neither happens.
func (w *wire) answeredOrClosed(correlation int32) bool {
	_ = w.nc.SetReadDeadline(time.Now().Add(patience))
	var head [8]byte
	for {
		if _, err := io.ReadFull(w.nc, head[:]); err != nil {
			return !isTimeout(err)
		}
		if int32(binary.BigEndian.Uint32(head[4:])) == correlation {
			return true
		}
		if _, err := io.CopyN(io.Discard, w.nc, int64(binary.BigEndian.Uint32(head[:]))-4); err != nil {
			return !isTimeout(err)
		}
	}
}
