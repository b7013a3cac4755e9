package server_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

func TestApiVersionsGivesTheTable(t *testing.T) {
	w := dial(t, startBroker(t))
	defer w.close()
	for v := int16(0); v <= 4; v++ {
		resp := askVersions(t, w, v)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(protocol.APIs()) {
			t.Fatalf("v%d: error %d with %d keys", v, resp.ErrorCode, len(resp.ApiKeys))
		}
		for i, api := range protocol.APIs() {
			if k := resp.ApiKeys[i]; k.ApiKey != api.Key || k.MinVersion != api.Min || k.MaxVersion != api.Max {
				t.Errorf("v%d: got %+v for %+v", v, k, api)
			}
		}
	}
}

// A client that knows a later ApiVersions finds in the refusal which it may
// use, and goes on with the same connection.
func TestApiVersionsOfTheFuture(t *testing.T) {
	w := dial(t, startBroker(t))
	defer w.close()
	for _, v := range []int16{6, 99, 32767, -1} {
		resp := askVersions(t, w, v)
		if resp.ErrorCode != 35 || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].ApiKey != 18 || resp.ApiKeys[0].MaxVersion != 5 {
			t.Fatalf("v%d: got %+v", v, resp)
		}
	}
	if resp := askVersions(t, w, 4); resp.ErrorCode != 0 {
		t.Errorf("afterwards: error %d", resp.ErrorCode)
	}
}

func askVersions(t *testing.T, w *wire, version int16) *kmsg.ApiVersionsResponse {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "golden", "1"
	req.SetVersion(version)
	resp, err := w.ask(req)
	if err != nil {
		t.Fatalf("v%d: %v", version, err)
	}
	return resp.(*kmsg.ApiVersionsResponse)
}
