package request

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"klamm/protocol"
)

// Tagged fields count as elements of lists do: kmsg keeps those that it does not know, and each takes fifty times what it
// takes on the wire.
func TestTaggedFieldsAreCounted(t *testing.T) {
	api, _ := protocol.Lookup(protocol.KeyAPIVersions)
	for _, n := range []int{maxElements, maxElements + 1} {
		body := binary.AppendUvarint([]byte{2, 'c', 2, '1'}, uint64(n))
		body = append(body, strings.Repeat("\x05\x00", n)...)
		if _, err := shapesFor(api.Key).check(api, 3, body); errors.Is(err, errManyElements) != (n > maxElements) {
			t.Errorf("%d tagged fields: %v", n, err)
		}
	}
}
