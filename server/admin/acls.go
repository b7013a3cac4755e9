package admin

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/server/codes"
)

// aclPatterns is the first version of the three requests about ACLs that has a pattern type.
const aclPatterns = 1

// errNoAuthorizer refuses every request about ACLs.
var errNoAuthorizer = codes.Refuse(kerr.SecurityDisabled, "No authorizer is configured on the broker.")

// knownACL returns an error if an element of an ACL has the code 0, "unknown". Apache Kafka closes the connection after
// such a request. It accepts codes that have no meaning yet.
func knownACL(version int16, resource kmsg.ACLResourceType, pattern kmsg.ACLResourcePatternType, operation kmsg.ACLOperation, permission kmsg.ACLPermissionType) error {
	if resource == kmsg.ACLResourceTypeUnknown || version >= aclPatterns && pattern == kmsg.ACLResourcePatternTypeUnknown ||
		operation == kmsg.ACLOperationUnknown || permission == kmsg.ACLPermissionTypeUnknown {
		return errUnknownACL
	}
	return nil
}

var errUnknownACL = errors.New("an ACL has an unknown resource type, pattern type, operation or permission")
