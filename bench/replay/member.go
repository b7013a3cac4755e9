package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The newest versions of what members send, which both brokers serve.
const (
	joinVersion      = 9
	syncVersion      = 5
	heartbeatVersion = 4
	leaveVersion     = 5
)

// Member is a member of a consumer group that reads nothing. One goroutine at a time may
// use it.
type Member struct {
	// The caller sets these fields.
	Client     *Client
	Group      string
	Topic      string
	Partitions int           // of the topic; the leader shares them out
	Session    time.Duration // session timeout

	// Join sets these fields: the member's id, the group's generation, whether the member
	// leads the group, and its partitions.
	ID         string
	Generation int32
	Leads      bool
	Assigned   []int32
	// Asked is when its last request was sent.
	Asked time.Time
}

// rebalanceTimeout is how long the broker waits for members that have not joined again. Every member does
// join again.
const rebalanceTimeout = time.Minute

const (
	consumerProtocol = "consumer"
	assignor         = "range"
)

func (m *Member) request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	m.Asked = time.Now()
	resp, err := m.Client.Request(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("replay: %s of group %s: %w", kmsg.NameForKey(req.Key()), m.Group, err)
	}
	return resp, nil
}

// Join has the member join, or join again, until it is told its partitions: it begins anew
// when others came in between, as clients do.
func (m *Member) Join(ctx context.Context) error {
	for {
		joined, err := m.join(ctx)
		if err != nil {
			return err
		}
		if m.ID = joined.MemberID; joined.ErrorCode == kerr.MemberIDRequired.Code {
			continue
		}
		if err := kerr.ErrorForCode(joined.ErrorCode); err != nil {
			return fmt.Errorf("replay: JoinGroup of group %s: %w", m.Group, err)
		}
		m.Generation, m.Leads = joined.Generation, joined.LeaderID == m.ID
		again, err := m.sync(ctx, joined)
		if !again || err != nil {
			return err
		}
	}
}

func (m *Member) join(ctx context.Context) (*kmsg.JoinGroupResponse, error) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.ProtocolType = joinVersion, m.Group, m.ID, consumerProtocol
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(m.Session.Milliseconds()), int32(rebalanceTimeout.Milliseconds())
	p := kmsg.NewJoinGroupRequestProtocol()
	subscription := kmsg.NewConsumerMemberMetadata()
	subscription.Topics = []string{m.Topic}
	p.Name, p.Metadata = assignor, subscription.AppendTo(nil)
	req.Protocols = append(req.Protocols, p)
	resp, err := m.request(ctx, req)
	if err != nil {
		return nil, err
	}
	return resp.(*kmsg.JoinGroupResponse), nil
}

// sync asks for the member's partitions, and reports true when the member has to join
// again instead.
func (m *Member) sync(ctx context.Context, joined *kmsg.JoinGroupResponse) (again bool, err error) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = syncVersion, m.Group, m.ID, m.Generation
	req.ProtocolType, req.Protocol = kmsg.StringPtr(consumerProtocol), joined.Protocol
	if m.Leads {
		req.GroupAssignment = m.share(joined.Members)
	}
	answer, err := m.request(ctx, req)
	if err != nil {
		return false, err
	}
	resp := answer.(*kmsg.SyncGroupResponse)
	if resp.ErrorCode == kerr.RebalanceInProgress.Code {
		return true, nil
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return false, fmt.Errorf("replay: SyncGroup of group %s: %w", m.Group, err)
	}
	var given kmsg.ConsumerMemberAssignment
	if err := given.ReadFrom(resp.MemberAssignment); err != nil {
		return false, fmt.Errorf("replay: an assignment in group %s: %w", m.Group, err)
	}
	m.Assigned = nil
	for _, t := range given.Topics {
		m.Assigned = append(m.Assigned, t.Partitions...)
	}
	return false, nil
}

// share gives each member the same number of partitions, give or take one.
func (m *Member) share(members []kmsg.JoinGroupResponseMember) (list []kmsg.SyncGroupRequestGroupAssignment) {
	for i, member := range members {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic = m.Topic
		for p := m.Partitions * i / len(members); p < m.Partitions*(i+1)/len(members); p++ {
			t.Partitions = append(t.Partitions, int32(p))
		}
		given := kmsg.NewConsumerMemberAssignment()
		given.Topics = append(given.Topics, t)
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = member.MemberID, given.AppendTo(nil)
		list = append(list, a)
	}
	return list
}

// heartbeat is the request that says that the member lives.
func (m *Member) heartbeat() *kmsg.HeartbeatRequest {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.Generation = heartbeatVersion, m.Group, m.ID, m.Generation
	return req
}

// Heartbeat says that the member lives, and reports whether it is to join again.
func (m *Member) Heartbeat(ctx context.Context) (rejoin bool, err error) {
	resp, err := m.request(ctx, m.heartbeat())
	if err != nil {
		return false, err
	}
	code := resp.(*kmsg.HeartbeatResponse).ErrorCode
	if code == kerr.RebalanceInProgress.Code {
		return true, nil
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return false, fmt.Errorf("replay: Heartbeat of group %s: %w", m.Group, err)
	}
	return false, nil
}

// Leave takes members out of a group at once.
func Leave(ctx context.Context, c *Client, group string, members []*Member) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = leaveVersion, group
	for _, m := range members {
		leaver := kmsg.NewLeaveGroupRequestMember()
		leaver.MemberID = m.ID
		req.Members = append(req.Members, leaver)
	}
	resp, err := req.RequestWith(ctx, c)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return fmt.Errorf("replay: LeaveGroup of group %s: %w", group, err)
	}
	for _, m := range resp.Members {
		if err := kerr.ErrorForCode(m.ErrorCode); err != nil {
			return fmt.Errorf("replay: LeaveGroup of group %s, member %s: %w", group, m.MemberID, err)
		}
	}
	return nil
}
