package admin

// DescribeUserScramCredentials: key 50, version 0, flexible from there (KIP-554).
//
// Refused, user by user, in this order: an empty name (RESOURCE_NOT_FOUND), a user who
// is named more than once (DUPLICATE_RESOURCE), any other user (RESOURCE_NOT_FOUND).
// The answer names each user once. A request that names no users asks for all users
// with credentials, and the answer has none.
//
// Missing on purpose: credentials. klamm has no SASL, so no user has any.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// DescribeUserSCRAMCredentials serves DescribeUserScramCredentials: see above.
func (*Service) DescribeUserSCRAMCredentials(_ *request.Call, req *kmsg.DescribeUserSCRAMCredentialsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	resp.ErrorMessage = kmsg.StringPtr("") // as the reference says
	times := make(map[string]int, len(req.Users))
	for i := range req.Users {
		times[req.Users[i].Name]++
	}
	for i := range req.Users {
		name := req.Users[i].Name
		n := times[name]
		if n == 0 {
			continue // the answer has the user where it was named first
		}
		times[name] = 0
		err := codes.Refuse(kerr.ResourceNotFound, "There is no credential of the user "+name+".")
		switch {
		case name == "":
			err = errNoUser(kerr.ResourceNotFound)
		case n > 1:
			err = codes.Refuse(kerr.DuplicateResource, "The request names the user "+name+" more than once.")
		}
		out := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		out.User, out.ErrorCode, out.ErrorMessage = name, codes.Of(err), codes.Message(err)
		resp.Results = append(resp.Results, out)
	}
	return resp
}

// errNoUser refuses an empty name of a user.
func errNoUser(code *kerr.Error) error { return codes.Refuse(code, "The name of a user is empty.") }
