package groupcoord

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// logged has a coordinator of some partitions log into a buffer.
func logged(t *testing.T, logs []*memLog) (*Coordinator, *bytes.Buffer) {
	t.Helper()
	config := testConfig()
	config.Partitions = func() int32 { return int32(len(logs)) }
	o := testOptions(config, func(prefix string) string { return prefix + "-1" })
	var lines bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration_ms" {
			return slog.Attr{}
		}
		return a
	}}))
	c := New(o)
	for i, log := range logs {
		c.Elected(int32(i), 1, log)
	}
	c.Serve()
	synctest.Wait()
	return c, &lines
}

// TestGroupsReadIsOneLine: reading the groups of many partitions is one line in the log, and none where there are no records.
func TestGroupsReadIsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := []*memLog{{}, {}, {}, {}, {}}
		c, lines := logged(t, logs)
		if lines.Len() > 0 {
			t.Errorf("logged without a record:\n%s", lines)
		}
		for _, group := range []string{"a", "b", "c", "d"} {
			if err := commitOne(c, group); err != nil {
				t.Error(err)
			}
		}
		c.Close()
		c, lines = logged(t, logs)
		defer c.Close()
		if want := `level=INFO msg="read the groups" partitions=5 groups=4 records=4 skipped=0` + "\n"; lines.String() != want {
			t.Errorf("logged:\n%swant:\n%s", lines, want)
		}
	})
}

// TestRebalanceIsLogged: each generation is a line with its reason, and so is the end of the last session. What a client says is cut.
func TestRebalanceIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lines := logged(t, []*memLog{{}})
		defer c.Close()
		answered := make(chan JoinAnswer, 1)
		join := &JoinRequest{Group: "g", ClientID: "c", SessionTimeoutMs: 6000, RebalanceTimeoutMs: 6000, ProtocolType: consumerProtocol, Reason: strings.Repeat("é", 300),
			Protocols: []Protocol{{"range", subscribes("t")}}, Done: func(a JoinAnswer) { answered <- a }}
		c.Join(join)
		a := <-answered
		c.Sync(&SyncRequest{Group: "g", MemberID: a.MemberID, Generation: 1, Done: func(SyncAnswer) {}})
		join.MemberID, join.Reason = a.MemberID, "need to revoke partitions"
		c.Join(join)
		<-answered
		time.Sleep(time.Minute)
		synctest.Wait()
		want := `level=INFO msg="rebalanced a group" group=g generation=1 members=1 protocol=range reason="a member joined: ` + strings.Repeat("é", 100) + `..."
level=INFO msg="rebalanced a group" group=g generation=2 members=1 protocol=range reason="a member joined again: need to revoke partitions"
level=INFO msg="removed a member of a group" group=g member=c-1 reason="a member's session timed out"
level=INFO msg="all members have left a group" group=g generation=3 reason="a member's session timed out"
`
		if lines.String() != want {
			t.Errorf("logged:\n%swant:\n%s", lines, want)
		}
	})
}

// TestUnknownErrorOfADeletion: an error that the log gives and nobody has a name for is given as it is.
func TestUnknownErrorOfADeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memLog{}
		c, _ := logged(t, []*memLog{log})
		defer c.Close()
		if err := commitOne(c, "g"); err != nil {
			t.Error(err)
		}
		full := errors.New("no space left on device")
		log.turn(false, full)
		if err := c.DeleteGroup("g"); !errors.Is(err, full) {
			t.Errorf("the deletion is answered with %v", err)
		}
		log.turn(false, ErrRecordsTooLarge)
		if err := c.DeleteGroup("g"); !errors.Is(err, ErrTooLarge) {
			t.Errorf("the deletion is answered with %v", err)
		}
		log.turn(false, nil)
		if err := c.DeleteGroup("g"); err != nil {
			t.Errorf("the deletion is answered with %v", err)
		}
	})
}

// TestAGroupKeepsLittleOfAReason: a client's reason to join may be as long as a request, and the group remembers it until it rebalances again.
func TestAGroupKeepsLittleOfAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := logged(t, []*memLog{{}})
		defer c.Close()
		long := strings.Repeat("x", 1<<20)
		c.Join(&JoinRequest{
			Group: "g", ClientID: "c", SessionTimeoutMs: 10_000, RebalanceTimeoutMs: 10_000, ProtocolType: consumerProtocol,
			Protocols: []Protocol{{Name: "range"}}, Reason: long, Done: func(JoinAnswer) {},
		})
		synctest.Wait()
		s, err := c.shardOf("g")
		if err != nil {
			t.Fatal(err)
		}
		e := s.find("g", false)
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.why.what != memberJoined || len(e.why.said) > 300 {
			t.Errorf("the group keeps %d bytes of the reason (%q)", len(e.why.said), e.why.what)
		}
	})
}
