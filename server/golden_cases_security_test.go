package server_test

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// securityCases ask a broker that has no authorizer, no SASL, no delegation tokens and no quotas.
func securityCases() []goldenCase {
	return slices.Concat(saslCases(), aclCases(), tokenCases(), quotaCases(), scramCases())
}

func saslCases() []goldenCase {
	return []goldenCase{
		{name: "sasl/handshake", key: kmsg.SASLHandshake, steps: []goldenStep{
			step(func(*talk) kmsg.Request { return &kmsg.SASLHandshakeRequest{Mechanism: "PLAIN"} }),
			step(func(*talk) kmsg.Request { return &kmsg.SASLHandshakeRequest{} }),
		}},
		{name: "sasl/authenticate", key: kmsg.SASLAuthenticate, steps: []goldenStep{
			step(func(*talk) kmsg.Request { return &kmsg.SASLAuthenticateRequest{SASLAuthBytes: []byte("\x00a\x00b")} }),
			step(func(*talk) kmsg.Request { return &kmsg.SASLAuthenticateRequest{SASLAuthBytes: []byte{}} }),
		}},
	}
}

// The numbers of kinds, patterns, operations and permissions that an ACL has. The codes below 1 and above the
// last are none.
const (
	aclAny     = 1
	aclTopic   = 2
	aclLiteral = 3
	aclRead    = 3
	aclAllow   = 3
)

func aclCases() []goldenCase {
	describe := func(change func(req *kmsg.DescribeACLsRequest)) goldenStep {
		return step(func(*talk) kmsg.Request {
			req := kmsg.NewPtrDescribeACLsRequest()
			req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType = aclAny, aclLiteral, aclAny, aclAny
			change(req)
			return req
		})
	}
	create := func(change func(req *kmsg.CreateACLsRequestCreation), more ...kmsg.CreateACLsRequestCreation) goldenStep {
		return step(func(*talk) kmsg.Request {
			acl := kmsg.NewCreateACLsRequestCreation()
			acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = aclTopic, "a", aclLiteral
			acl.Principal, acl.Host, acl.Operation, acl.PermissionType = "User:a", "*", aclRead, aclAllow
			change(&acl)
			return &kmsg.CreateACLsRequest{Creations: append([]kmsg.CreateACLsRequestCreation{acl}, more...)}
		})
	}
	remove := func(change func(f *kmsg.DeleteACLsRequestFilter)) goldenStep {
		return step(func(*talk) kmsg.Request {
			f := kmsg.NewDeleteACLsRequestFilter()
			f.ResourceType, f.ResourcePatternType, f.Operation, f.PermissionType = aclAny, aclLiteral, aclAny, aclAny
			change(&f)
			return &kmsg.DeleteACLsRequest{Filters: []kmsg.DeleteACLsRequestFilter{f, f}}
		})
	}
	return []goldenCase{
		{name: "acls/describe", key: kmsg.DescribeACLs, steps: []goldenStep{
			describe(func(*kmsg.DescribeACLsRequest) {}),
			describe(func(req *kmsg.DescribeACLsRequest) {
				req.ResourceName, req.Principal, req.Host = ptr(""), ptr("nobody"), ptr("")
			}),
		}},
		{name: "acls/describe_unknown", key: kmsg.DescribeACLs, steps: []goldenStep{
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourceType = 0 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourceType = 7 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourceType = 8 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourceType = -1 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourcePatternType = 0 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourcePatternType = 1 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourcePatternType = 4 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.ResourcePatternType = 5 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.Operation = 0 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.Operation = 14 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.Operation = 15 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.Operation = 16 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.PermissionType = 0 }),
			describe(func(req *kmsg.DescribeACLsRequest) { req.PermissionType = 4 }),
		}},
		{name: "acls/create", key: kmsg.CreateACLs, steps: []goldenStep{
			create(func(*kmsg.CreateACLsRequestCreation) {}),
			create(func(acl *kmsg.CreateACLsRequestCreation) {
				acl.ResourceName, acl.Principal, acl.Host = "", "nobody", ""
			},
				kmsg.CreateACLsRequestCreation{ResourceType: 4, ResourceName: "no cluster", ResourcePatternType: aclLiteral, Operation: 12, PermissionType: 2}),
			step(func(*talk) kmsg.Request { return kmsg.NewPtrCreateACLsRequest() }),
		}},
		{name: "acls/create_unknown", key: kmsg.CreateACLs, steps: []goldenStep{
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.ResourceType = 0 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.ResourceType = 1 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.ResourceType = 8 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.ResourcePatternType = 0 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.ResourcePatternType = 1 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.ResourcePatternType = 5 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.Operation = 0 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.Operation = 15 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.Operation = 16 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.PermissionType = 0 }),
			create(func(acl *kmsg.CreateACLsRequestCreation) { acl.PermissionType = 4 }),
			create(func(*kmsg.CreateACLsRequestCreation) {}, kmsg.CreateACLsRequestCreation{}),
		}},
		{name: "acls/delete", key: kmsg.DeleteACLs, steps: []goldenStep{
			remove(func(*kmsg.DeleteACLsRequestFilter) {}),
			remove(func(f *kmsg.DeleteACLsRequestFilter) {
				f.ResourceName, f.Principal, f.Host = ptr(""), ptr("nobody"), ptr("")
			}),
			step(func(*talk) kmsg.Request { return kmsg.NewPtrDeleteACLsRequest() }),
		}},
		{name: "acls/delete_unknown", key: kmsg.DeleteACLs, steps: []goldenStep{
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.ResourceType = 0 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.ResourceType = 8 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.ResourcePatternType = 0 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.ResourcePatternType = 2 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.ResourcePatternType = 5 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.Operation = 0 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.Operation = 15 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.Operation = 16 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.PermissionType = 0 }),
			remove(func(f *kmsg.DeleteACLsRequestFilter) { f.PermissionType = 4 }),
		}},
	}
}

func tokenCases() []goldenCase {
	create := func(owner *string, renewers ...kmsg.CreateDelegationTokenRequestRenewer) goldenStep {
		return step(func(*talk) kmsg.Request {
			req := kmsg.NewPtrCreateDelegationTokenRequest()
			req.OwnerPrincipalName, req.Renewers, req.MaxLifetimeMillis = owner, renewers, -1
			if owner != nil {
				req.OwnerPrincipalType = ptr("User")
			}
			return req
		})
	}
	describe := func(owners []kmsg.DescribeDelegationTokenRequestOwner) goldenStep {
		return step(func(*talk) kmsg.Request { return &kmsg.DescribeDelegationTokenRequest{Owners: owners} })
	}
	someone := kmsg.DescribeDelegationTokenRequestOwner{PrincipalType: "User", PrincipalName: "a"}
	return []goldenCase{
		{name: "delegation_tokens/create", key: kmsg.CreateDelegationToken, steps: []goldenStep{
			create(nil), create(ptr("")), create(ptr("a")),
			create(nil, kmsg.CreateDelegationTokenRequestRenewer{PrincipalType: "User", PrincipalName: "r"}),
			create(nil, kmsg.CreateDelegationTokenRequestRenewer{PrincipalType: "Group"}),
		}},
		{name: "delegation_tokens/create_owner_type", key: kmsg.CreateDelegationToken, from: 3, steps: []goldenStep{
			step(func(*talk) kmsg.Request {
				return &kmsg.CreateDelegationTokenRequest{OwnerPrincipalType: ptr("Robot"), OwnerPrincipalName: ptr("r")}
			}),
			step(func(*talk) kmsg.Request { return &kmsg.CreateDelegationTokenRequest{OwnerPrincipalType: ptr("Robot")} }),
		}},
		{name: "delegation_tokens/create_no_owner_type", key: kmsg.CreateDelegationToken, from: 3, klamm: "the reference stumbles over an owner without a type (UNKNOWN_SERVER_ERROR)", steps: []goldenStep{
			step(func(*talk) kmsg.Request { return &kmsg.CreateDelegationTokenRequest{OwnerPrincipalName: ptr("r")} }),
		}},
		{name: "delegation_tokens/renew", key: kmsg.RenewDelegationToken, steps: []goldenStep{
			step(func(*talk) kmsg.Request {
				return &kmsg.RenewDelegationTokenRequest{HMAC: []byte("mac"), RenewTimeMillis: 1000}
			}),
			step(func(*talk) kmsg.Request { return &kmsg.RenewDelegationTokenRequest{RenewTimeMillis: -1} }),
		}},
		{name: "delegation_tokens/expire", key: kmsg.ExpireDelegationToken, steps: []goldenStep{
			step(func(*talk) kmsg.Request {
				return &kmsg.ExpireDelegationTokenRequest{HMAC: []byte("mac"), ExpiryPeriodMillis: -1}
			}),
			step(func(*talk) kmsg.Request { return &kmsg.ExpireDelegationTokenRequest{ExpiryPeriodMillis: 1000} }),
		}},
		{name: "delegation_tokens/describe", key: kmsg.DescribeDelegationToken, steps: []goldenStep{
			describe(nil), describe([]kmsg.DescribeDelegationTokenRequestOwner{}), describe([]kmsg.DescribeDelegationTokenRequestOwner{someone, someone}),
		}},
	}
}

func quotaCases() []goldenCase {
	type component = kmsg.DescribeClientQuotasRequestComponent
	describe := func(strict bool, components ...component) goldenStep {
		return step(func(*talk) kmsg.Request {
			return &kmsg.DescribeClientQuotasRequest{Strict: strict, Components: components}
		})
	}
	const exact, byDefault, any = 0, 1, 2
	user, client, ip := component{EntityType: "user", Match: ptr("u")}, component{EntityType: "client-id", MatchType: byDefault}, component{EntityType: "ip", MatchType: any}
	type entity = kmsg.AlterClientQuotasRequestEntryEntity
	type op = kmsg.AlterClientQuotasRequestEntryOp
	alter := func(validate bool, ops []op, entities ...entity) goldenStep {
		return step(func(*talk) kmsg.Request {
			return &kmsg.AlterClientQuotasRequest{ValidateOnly: validate, Entries: []kmsg.AlterClientQuotasRequestEntry{{Entity: entities, Ops: ops}}}
		})
	}
	rate := func(key string, value float64) []op { return []op{{Key: key, Value: value}} }
	gone := func(key string) []op { return []op{{Key: key, Remove: true}} }
	a := entity{Type: "user", Name: ptr("a")}
	return []goldenCase{
		{name: "client_quotas/describe", key: kmsg.DescribeClientQuotas, steps: []goldenStep{
			describe(false), describe(true), describe(false, user), describe(true, user), describe(true, user, client), describe(false, client), describe(true, ip),
			describe(false, component{EntityType: "user", MatchType: byDefault, Match: ptr("u")}), describe(false, component{EntityType: "user", MatchType: any}),
		}},
		{name: "client_quotas/describe_refused", key: kmsg.DescribeClientQuotas, steps: []goldenStep{
			describe(false, user, user), describe(false, client, client), describe(false, ip, ip), describe(false, user, ip), describe(false, client, ip),
			describe(false, component{EntityType: "", Match: ptr("x")}), describe(false, component{EntityType: "robot", MatchType: any}), describe(false, component{EntityType: "USER", MatchType: any}),
			describe(false, component{EntityType: "user", Match: ptr("")}), describe(false, component{EntityType: "robot", MatchType: any}, user, user),
		}},
		{name: "client_quotas/describe_no_match", key: kmsg.DescribeClientQuotas, klamm: "the reference stumbles over an unknown kind of match, and over an exact match with nothing (UNKNOWN_SERVER_ERROR)", steps: []goldenStep{
			describe(false, component{EntityType: "user", MatchType: 3, Match: ptr("u")}), describe(false, component{EntityType: "user", MatchType: -1}),
			describe(false, component{EntityType: "user"}), describe(true, component{EntityType: "user"}), describe(false, component{EntityType: "ip"}), describe(true, component{EntityType: "client-id"}), describe(true, component{}),
		}},
		{name: "client_quotas/alter", key: kmsg.AlterClientQuotas, klamm: "klamm has no quotas, and refuses what would change one", steps: []goldenStep{
			alter(true, rate("consumer_byte_rate", 1000), a), alter(true, rate("producer_byte_rate", 1000), entity{Type: "client-id"}),
			alter(true, rate("request_percentage", 1.5), a, entity{Type: "client-id", Name: ptr("c")}), alter(true, rate("connection_creation_rate", 5), entity{Type: "ip", Name: ptr("127.0.0.1")}),
			alter(true, append(gone("consumer_byte_rate"), rate("producer_byte_rate", 10)...), a),
		}},
		{name: "client_quotas/alter_nothing", key: kmsg.AlterClientQuotas, steps: []goldenStep{
			alter(false, gone("consumer_byte_rate"), a), alter(false, nil, a), alter(false, gone("no.such"), a), alter(false, gone("consumer_byte_rate"), entity{Type: "ip"}),
			step(func(*talk) kmsg.Request { return kmsg.NewPtrAlterClientQuotasRequest() }),
			step(func(*talk) kmsg.Request {
				entry := kmsg.AlterClientQuotasRequestEntry{Entity: []entity{a}, Ops: gone("consumer_byte_rate")}
				return &kmsg.AlterClientQuotasRequest{Entries: []kmsg.AlterClientQuotasRequestEntry{entry, entry}}
			}),
		}},
		{name: "client_quotas/alter_refused", key: kmsg.AlterClientQuotas, steps: []goldenStep{
			alter(true, rate("consumer_byte_rate", 1)), alter(true, rate("consumer_byte_rate", 1), entity{Type: "robot", Name: ptr("r")}), alter(true, rate("consumer_byte_rate", 1), entity{Type: "user", Name: ptr("")}),
			alter(true, rate("connection_creation_rate", 1), a, entity{Type: "ip"}), alter(true, rate("connection_creation_rate", 1), entity{Type: "ip", Name: ptr("no such host.")}),
			alter(true, rate("no.such", 1), a), alter(true, rate("consumer_byte_rate", 1), entity{Type: "ip"}), alter(true, rate("connection_creation_rate", 1), a),
			alter(true, rate("consumer_byte_rate", 1.5), a), alter(true, rate("connection_creation_rate", 0.5), entity{Type: "ip"}), alter(true, gone("consumer_byte_rate"), entity{Type: "robot"}),
			alter(true, nil), alter(true, rate("consumer_byte_rate", 1), entity{Type: "User", Name: ptr("u")}),
			alter(true, append(rate("no.such", 1), gone("consumer_byte_rate")...), a, a),
		}},
	}
}

func scramCases() []goldenCase {
	type user = kmsg.DescribeUserSCRAMCredentialsRequestUser
	describe := func(users ...user) goldenStep {
		return step(func(*talk) kmsg.Request { return &kmsg.DescribeUserSCRAMCredentialsRequest{Users: users} })
	}
	type deletion = kmsg.AlterUserSCRAMCredentialsRequestDeletion
	type upsertion = kmsg.AlterUserSCRAMCredentialsRequestUpsertion
	alter := func(deletions []deletion, upsertions ...upsertion) goldenStep {
		return step(func(*talk) kmsg.Request {
			return &kmsg.AlterUserSCRAMCredentialsRequest{Deletions: deletions, Upsertions: upsertions}
		})
	}
	with := func(name string, mechanism int8, iterations int32) upsertion {
		return upsertion{Name: name, Mechanism: mechanism, Iterations: iterations, Salt: []byte("salt"), SaltedPassword: []byte("salted password")}
	}
	return []goldenCase{
		{name: "scram/describe", key: kmsg.DescribeUserSCRAMCredentials, steps: []goldenStep{
			describe(), describe([]user{}...), describe(user{Name: "a"}), describe(user{Name: "a"}, user{Name: "b"}, user{Name: "a"}), describe(user{Name: ""}), describe(user{Name: ""}, user{Name: ""}),
			step(func(*talk) kmsg.Request { return &kmsg.DescribeUserSCRAMCredentialsRequest{Users: []user{}} }),
		}},
		{name: "scram/alter", key: kmsg.AlterUserSCRAMCredentials, klamm: "klamm has no SASL, and refuses credentials for it", steps: []goldenStep{
			alter(nil, with("golden", 1, 4096), with("golden", 2, 8192), with("other", 2, 4096)),
			alter([]deletion{{Name: "golden", Mechanism: 1}}, with("golden", 2, 16384)),
			alter([]deletion{{Name: "golden", Mechanism: 2}, {Name: "other", Mechanism: 2}}), // of what the reference has by now
		}},
		{name: "scram/alter_refused", key: kmsg.AlterUserSCRAMCredentials, steps: []goldenStep{
			alter(nil), alter(nil, with("", 1, 4096)), alter(nil, with("a", 0, 4096)), alter(nil, with("a", 3, 4096)), alter(nil, with("a", -1, 4096)),
			alter(nil, with("a", 1, 4095)), alter(nil, with("a", 1, 16385)), alter(nil, with("a", 2, 0)), alter(nil, with("a", 1, 4096), with("a", 1, 4096)), alter(nil, with("a", 1, 4096), with("a", 9, 4096)),
			alter([]deletion{{Name: "a", Mechanism: 1}}), alter([]deletion{{Name: "a", Mechanism: 3}}), alter([]deletion{{Name: "", Mechanism: 1}}), alter([]deletion{{Name: "a", Mechanism: 1}, {Name: "a", Mechanism: 1}}), alter([]deletion{{Name: "a", Mechanism: 1}, {Name: "a", Mechanism: 2}}),
			alter([]deletion{{Name: "a", Mechanism: 1}}, with("a", 1, 4096)), alter([]deletion{{Name: "a", Mechanism: 1}}, with("a", 2, 4096)), alter([]deletion{{Name: "a", Mechanism: 7}}, with("a", 2, 1)), alter([]deletion{{Name: "b", Mechanism: 1}}, with("", 2, 1)),
		}},
	}
}
