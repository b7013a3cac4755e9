package shape

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
	for _, n := range []int{limits.Tags, limits.Tags + 1} {
		body := binary.AppendUvarint([]byte{2, 'c', 2, '1'}, uint64(n))
		body = append(body, strings.Repeat("\x05\x00", n)...)
		if _, err := shapesFor(protocol.KeyAPIVersions).Check(3, body, Limits{Elements: 2 * limits.Tags, Tags: limits.Tags}); errors.Is(err, errManyElements) != (n > limits.Tags) {
			t.Errorf("%d tagged fields: %v", n, err)
		}
	}
}
