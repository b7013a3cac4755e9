package replay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCommitFramesCommitForEveryGroup(t *testing.T) {
	f := CommitFrames("t", []string{"a", "b"}, 3)
	if f.Len() != 2 {
		t.Fatalf("%d frames", f.Len())
	}
	for i, group := range []string{"a", "b"} {
		frame, _ := f.span(i, 1)
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version = commitVersion
		if id := frameRequest(t, frame, req); id != int32(i) {
			t.Errorf("frame %d: correlation id %d", i, id)
		}
		if req.Group != group || req.Generation != -1 || req.MemberID != "" || len(req.Topics) != 1 || req.Topics[0].Topic != "t" || len(req.Topics[0].Partitions) != 3 {
			t.Fatalf("%+v", req)
		}
		for n, p := range req.Topics[0].Partitions {
			if p.Partition != int32(n) || p.Offset != CommittedOffset(i, n) {
				t.Errorf("%+v", p)
			}
		}
	}
	if CommittedOffset(1, 2) == CommittedOffset(2, 1) {
		t.Error("two groups commit the same")
	}
}

func TestEveryCommitIsChecked(t *testing.T) {
	answer := func(codes ...int16) []byte {
		resp := kmsg.NewPtrOffsetCommitResponse()
		resp.Version = commitVersion
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic = "some-topic"
		for i, code := range codes {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = int32(i), code
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp.AppendTo(binary.BigEndian.AppendUint32(nil, 7))
	}
	if err := checkCommit(answer(0, 0, 0), 7); err != nil {
		t.Error(err)
	}
	if err := checkCommit(answer(0, 0, 25), 7); !errors.Is(err, kerr.UnknownMemberID) {
		t.Errorf("the last one refused: %v", err)
	}
	if err := checkCommit(answer(0), 8); err == nil {
		t.Error("an answer out of order passes")
	}
	if err := checkCommit(answer(), 7); err == nil {
		t.Error("an answer without partitions passes")
	}
	whole := answer(0, 0)
	for n := range whole {
		if err := checkCommit(whole[:n], 7); err == nil {
			t.Errorf("%d bytes of an answer of %d pass", n, len(whole))
		}
	}
}

func TestHeartbeatsAreChecked(t *testing.T) {
	answer := func(code int16) *bufio.Reader {
		resp := kmsg.NewPtrHeartbeatResponse()
		resp.Version, resp.ErrorCode = heartbeatVersion, code
		body := resp.AppendTo([]byte{0, 0, 0, 7, 0}) // the correlation id, no tags
		return bufio.NewReader(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)))
	}
	if err := receiveBeat(answer(0), 7); err != nil {
		t.Error(err)
	}
	if err := receiveBeat(answer(27), 7); !errors.Is(err, kerr.RebalanceInProgress) {
		t.Errorf("refused: %v", err)
	}
	if err := receiveBeat(answer(0), 8); err == nil {
		t.Error("an answer out of order passes")
	}
}

func TestTheLeaderSharesOutEveryPartition(t *testing.T) {
	members := make([]kmsg.JoinGroupResponseMember, 3)
	var all []int32
	for _, given := range (&Member{Topic: "t", Partitions: 10}).share(members) {
		var a kmsg.ConsumerMemberAssignment
		if err := a.ReadFrom(given.MemberAssignment); err != nil {
			t.Fatal(err)
		}
		if n := len(a.Topics[0].Partitions); a.Topics[0].Topic != "t" || n < 3 || n > 4 {
			t.Errorf("%+v", a.Topics)
		}
		all = append(all, a.Topics[0].Partitions...)
	}
	if !slices.Equal(all, []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("shared out: %v", all)
	}
}

// TestAClientReadsBothKindsOfAnswer: those of flexible versions have a longer header.
func TestAClientReadsBothKindsOfAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for _, header := range []string{"", "\x00", ""} {
				head, err := in.Peek(12)
				if err != nil {
					return err
				}
				resp := kmsg.NewPtrHeartbeatResponse()
				resp.Version, resp.ErrorCode = int16(binary.BigEndian.Uint16(head[6:])), 16
				body := resp.AppendTo(append(bytes.Clone(head[8:12]), header...))
				if _, err := in.Discard(4 + int(binary.BigEndian.Uint32(head))); err != nil {
					return err
				}
				if header == "" && resp.Version == 2 {
					body[3]++ // of another request
				}
				if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	c, err := Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, version := range []int16{3, 4, 2} {
		req := (&Member{Group: "g"}).heartbeat()
		req.Version = version
		resp, err := req.RequestWith(t.Context(), c)
		if version == 2 {
			if err == nil {
				t.Error("the answer to another request passes")
			}
			continue
		}
		if err != nil || resp.ErrorCode != kerr.NotCoordinator.Code {
			t.Errorf("version %d: %+v, %v", version, resp, err)
		}
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
