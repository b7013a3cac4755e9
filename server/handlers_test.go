package server

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

func TestHandlersAreTheTable(t *testing.T) {
	handlers := newHandlers(apiVersions{}, nil, nil, nil, nil, nil)
	for _, api := range protocol.APIs() {
		if handlers[api.Key] == nil {
			t.Errorf("%s is in protocol's table and has no handler: add it to handlers.go", api.Name)
		}
	}
	for key := range handlers {
		if _, ok := protocol.Lookup(key); !ok {
			t.Errorf("%s has a handler and is not in protocol's table: add it to protocol/api.go", kmsg.NameForKey(key))
		}
	}
}
