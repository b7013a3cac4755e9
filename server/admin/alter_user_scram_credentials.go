package admin

// AlterUserScramCredentials: key 51, version 0, flexible from there (KIP-554).
//
// Refused, user by user, in this order: an empty name (UNACCEPTABLE_CREDENTIAL);
// an unknown mechanism (UNSUPPORTED_SASL_MECHANISM); fewer than 4096 or more than
// 16384 iterations (UNACCEPTABLE_CREDENTIAL); a credential that is named more than
// once (DUPLICATE_RESOURCE); the deletion of a credential, since no user has one
// (RESOURCE_NOT_FOUND); a credential to be stored (UNSUPPORTED_SASL_MECHANISM). The
// answer names each user once.
//
// Missing on purpose: credentials. klamm has no SASL, so a credential would not take
// effect: klamm refuses it where Apache Kafka accepts it.

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
	"klamm/server/request"
)

// The mechanisms of SCRAM by number, and the iterations that each may have.
const (
	scramSHA256        = 1
	scramSHA512        = 2
	minScramIterations = 4096
	maxScramIterations = 16384
)

// scramChanges keeps the reason for which each user of a request is refused. A later reason replaces an earlier one,
// so the checks run in the reverse of the order in which this file lists the refusals.
type scramChanges struct {
	order   []string
	reasons map[string]error
}

func (c *scramChanges) refuse(user string, err error) {
	if _, known := c.reasons[user]; !known {
		c.order = append(c.order, user)
	}
	c.reasons[user] = err
}

// AlterUserSCRAMCredentials serves AlterUserScramCredentials: see above.
func (*Service) AlterUserSCRAMCredentials(_ *request.Call, req *kmsg.AlterUserSCRAMCredentialsRequest) kmsg.Response {
	changes := scramChanges{reasons: make(map[string]error)}
	for i := range req.Upsertions {
		changes.refuse(req.Upsertions[i].Name, errNoSCRAM)
	}
	for i := range req.Deletions {
		changes.refuse(req.Deletions[i].Name, errNoCredential)
	}
	changes.refuseDoubled(req)
	for i := range req.Deletions {
		d := &req.Deletions[i]
		if err := refusesSCRAM(d.Name, d.Mechanism); err != nil {
			changes.refuse(d.Name, err)
		}
	}
	for i := range req.Upsertions {
		u := &req.Upsertions[i]
		err := refusesSCRAM(u.Name, u.Mechanism)
		if err == nil && (u.Iterations < minScramIterations || u.Iterations > maxScramIterations) {
			err = codes.Refuse(kerr.UnacceptableCredential, "A credential has 4096 to 16384 iterations.")
		}
		if err != nil {
			changes.refuse(u.Name, err)
		}
	}
	resp := kmsg.NewPtrAlterUserSCRAMCredentialsResponse()
	for _, user := range changes.order {
		out := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		out.User, out.ErrorCode, out.ErrorMessage = user, codes.Of(changes.reasons[user]), codes.Message(changes.reasons[user])
		resp.Results = append(resp.Results, out)
	}
	return resp
}

var (
	errNoSCRAM      = codes.Refuse(kerr.UnsupportedSaslMechanism, "klamm has no SASL: a credential would not take effect.")
	errNoCredential = codes.Refuse(kerr.ResourceNotFound, "The user has no such credential.")
	errTwiceSCRAM   = codes.Refuse(kerr.DuplicateResource, "The request names a credential of this user more than once.")
)

// refuseDoubled refuses each user one of whose credentials the request names more than once.
func (c *scramChanges) refuseDoubled(req *kmsg.AlterUserSCRAMCredentialsRequest) {
	type credential struct {
		user      string
		mechanism int8
	}
	named := make(map[credential]bool)
	name := func(user string, mechanism int8) {
		if named[credential{user, mechanism}] {
			c.refuse(user, errTwiceSCRAM)
		}
		named[credential{user, mechanism}] = true
	}
	for i := range req.Upsertions {
		name(req.Upsertions[i].Name, req.Upsertions[i].Mechanism)
	}
	for i := range req.Deletions {
		name(req.Deletions[i].Name, req.Deletions[i].Mechanism)
	}
}

// refusesSCRAM returns the reason why such a credential cannot exist; nil for none.
func refusesSCRAM(user string, mechanism int8) error {
	switch {
	case user == "":
		return errNoUser(kerr.UnacceptableCredential)
	case mechanism != scramSHA256 && mechanism != scramSHA512:
		return codes.Refuse(kerr.UnsupportedSaslMechanism, "There is no such mechanism of SCRAM.")
	}
	return nil
}
