package protocol

import (
	"encoding/binary"
	"strconv"
)

// RequestHeader is what every request begins with.
type RequestHeader struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      *string // nil if the client sent none
}

// UnknownAPIError says that a request's key is not in the table. Apache's
// broker closes the connection.
type UnknownAPIError struct{ Key, Version int16 }

func (e *UnknownAPIError) Error() string {
	return "request of API key " + strconv.Itoa(int(e.Key)) + " version " + strconv.Itoa(int(e.Version)) + ", which is not served"
}

// MalformedError says that bytes of a client cannot be read as what they
// should be. Apache's broker closes the connection.
type MalformedError struct {
	What   string // what was being read: "Produce 9 request"
	Offset int    // where, from the start of the bytes given
	Reason string
}

func (e *MalformedError) Error() string {
	return "malformed " + e.What + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// ParseRequestHeader reads the header at the start of a frame and gives the
// offset of the request's body. It does not ask whether the version is served:
// see API.Serves.
func ParseRequestHeader(frame []byte) (RequestHeader, int, error) {
	var h RequestHeader
	n, err := h.Parse(frame)
	return h, n, err
}

// Parse does what ParseRequestHeader does, into a header that is used again:
// the client id is kept if it is the same.
//
// It fails with an *UnknownAPIError, after which Key, Version and CorrelationID
// are good, and ClientID where it could be read, since the form of the rest depends on the API,
// and with a *MalformedError.
func (h *RequestHeader) Parse(frame []byte) (int, error) {
	r := reader{b: frame, what: "request header"}
	h.Key, h.Version, h.CorrelationID = r.int16(), r.int16(), r.int32()
	if r.failed() {
		return 0, r.error()
	}
	if h.Key == KeyControlledShutdown && h.Version == 0 { // the only request whose header ends here
		h.ClientID = nil
		return r.at, nil
	}
	// The client id has the old encoding in header version 2 too, so that a
	// broker can read it before it knows the version (KIP-482).
	id, null := r.oldString()
	if !r.failed() {
		h.setClientID(id, null)
	}
	api, ok := Lookup(h.Key)
	if !ok {
		return 0, &UnknownAPIError{Key: h.Key, Version: h.Version}
	}
	r.flex = api.IsFlexible(h.Version)
	r.skipTags()
	if r.failed() {
		return 0, r.error()
	}
	return r.at, nil
}

func (h *RequestHeader) setClientID(id []byte, null bool) {
	switch {
	case null:
		h.ClientID = nil
	case h.ClientID == nil || *h.ClientID != string(id):
		s := string(id)
		h.ClientID = &s
	}
}

// BeginResponse appends room for a length prefix, and the response header in
// the form that this API and version have it. The answer's body follows it,
// and then FinishResponse.
func BeginResponse(dst []byte, api *API, version int16, correlationID int32) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	if api.TaggedResponseHeader(version) {
		dst = append(dst, 0)
	}
	return dst
}

// FinishResponse writes the length prefix of the response that BeginResponse began at
// dst[0], and of which more bytes are sent that dst does not have.
func FinishResponse(dst []byte, more int) {
	binary.BigEndian.PutUint32(dst, uint32(len(dst)+more-4))
}
