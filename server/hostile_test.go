package server_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// A body that cannot be read costs the connection and nothing else, for each
// API and version.
func TestBodiesThatCannotBeReadCloseTheConnection(t *testing.T) {
	addr := startBroker(t)
	for _, api := range protocol.APIs() {
		for v := api.Min; v <= api.Max; v++ {
			if (api.Key == protocol.KeyAPIVersions || api.Key == protocol.KeyListGroups || api.Key == protocol.KeyControlledShutdown) && v < 3 {
				continue // without a body, or with numbers alone
			}
			w := dial(t, addr)
			if err := w.raw(api.Key, v, bytes.Repeat([]byte{0x7f}, 40)); err != nil {
				t.Fatal(err)
			}
			if !w.closed() {
				t.Errorf("%s v%d: the connection is open", api.Name, v)
			}
			w.close()
		}
	}
	ask[*kmsg.MetadataResponse](t, addr, metadata(), 12)
}

// A list of four million empty names fits into nine megabytes on the wire.
func TestHugeListsAreNotRead(t *testing.T) {
	addr := startBroker(t)
	const n = 4_500_000
	body := binary.BigEndian.AppendUint32(nil, n)
	body = append(body, make([]byte, 2*n)...)
	w := dial(t, addr)
	defer w.close()
	// The length alone is more than Metadata may have: the broker may close while the body is still written.
	if err := w.raw(protocol.KeyMetadata, 0, body); err != nil && isTimeout(err) {
		t.Fatal(err)
	} else if err == nil && !w.closed() {
		t.Error("the connection is open")
	}
	ask[*kmsg.MetadataResponse](t, addr, metadata(), 12)
}

// raw writes a request with a body of any bytes.
func (w *wire) raw(key, version int16, body []byte) error {
	header := binary.BigEndian.AppendUint16(nil, uint16(key))
	header = binary.BigEndian.AppendUint16(header, uint16(version))
	header = binary.BigEndian.AppendUint32(header, 1)
	header = binary.BigEndian.AppendUint16(header, 0xffff) // no client id
	if api, ok := protocol.Lookup(key); ok && api.IsFlexible(version) {
		header = append(header, 0)
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(header)+len(body)))
	_, err := w.nc.Write(append(append(frame, header...), body...))
	return err
}

// closed reports whether the broker closes the connection, without an answer.
func (w *wire) closed() bool {
	_ = w.nc.SetReadDeadline(time.Now().Add(patience))
	n, err := w.nc.Read(make([]byte, 1))
	return n == 0 && err != nil && (err == io.EOF || !isTimeout(err))
}

func isTimeout(err error) bool {
	ne, ok := err.(interface{ Timeout() bool })
	return ok && ne.Timeout()
}
