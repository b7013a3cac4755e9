package reassign

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/connect"
	"klamm/protocol"
)

// fakes are three brokers with one topic, which answer what live.look asks. They are reached by pipes, so that time is virtual.
type fakes struct {
	t  *testing.T
	mu sync.Mutex
	// Guarded by mu, by broker: the replicas that each knows of, and whether it takes requests and answers none.
	knows [3][]int32
	hangs [3]bool
}

// answerTime is how long an answer takes.
const answerTime = 10 * time.Millisecond

// dial is kgo.Dialer's function.
func (f *fakes) dial(_ context.Context, _, addr string) (net.Conn, error) {
	var id int32
	if _, err := fmt.Sscanf(addr, "broker-%d:9092", &id); err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	go f.serve(id, far)
	return near, nil
}

// serve answers requests until the connection is closed.
func (f *fakes) serve(id int32, conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		frame, err := protocol.ReadFrame(r, protocol.MaxRequestBytes)
		if err != nil {
			return
		}
		h, at, err := protocol.ParseRequestHeader(frame.B)
		if err != nil {
			f.t.Error(err)
			return
		}
		req := kmsg.RequestForKey(h.Key)
		req.SetVersion(h.Version)
		if err := req.ReadFrom(frame.B[at:]); err != nil {
			f.t.Error(err)
			return
		}
		resp := f.answer(id, req)
		if resp == nil {
			continue
		}
		time.Sleep(answerTime)
		resp.SetVersion(h.Version)
		api, _ := protocol.Lookup(h.Key)
		answer := resp.AppendTo(protocol.BeginResponse(nil, api, h.Version, h.CorrelationID))
		protocol.FinishResponse(answer, 0)
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// answer gives a broker's answer; nil for none.
func (f *fakes) answer(id int32, req kmsg.Request) kmsg.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hangs[id-1] {
		return nil
	}
	switch resp := req.ResponseKind().(type) {
	case *kmsg.ApiVersionsResponse:
		for _, api := range protocol.APIs() {
			resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: api.Key, MinVersion: api.Min, MaxVersion: api.Max})
		}
		return resp
	case *kmsg.MetadataResponse:
		resp.ControllerID = 1
		for i := range int32(len(f.knows)) {
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port = i+1, fmt.Sprint("broker-", i+1), 9092
			resp.Brokers = append(resp.Brokers, b)
		}
		if asked := req.(*kmsg.MetadataRequest).Topics; asked != nil && len(asked) == 0 {
			return resp // for the brokers alone
		}
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Leader, p.Replicas, p.ISR = 1, f.knows[id-1], f.knows[id-1]
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.Partitions = kmsg.StringPtr("orders"), []kmsg.MetadataResponseTopicPartition{p}
		resp.Topics = []kmsg.MetadataResponseTopic{topic}
		return resp
	case *kmsg.ListPartitionReassignmentsResponse, *kmsg.DescribeLogDirsResponse:
		return resp
	}
	f.t.Errorf("broker %d is asked for %T", id, req)
	return nil
}

// know sets what a broker knows.
func (f *fakes) know(id int32, replicas ...int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.knows[id-1] = replicas
}

// onFakes runs a test on virtual time with a client of three brokers that know of the same replicas.
func onFakes(t *testing.T, test func(t *testing.T, f *fakes, l *live)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fakes{t: t}
		for id := range int32(3) {
			f.know(id+1, 1, 2)
		}
		l, err := open(t.Context(), connect.Config{Servers: []string{"broker-1:9092"}}, kgo.Dialer(f.dial))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		test(t, f, l)
	})
}

// TestPlansWaitUntilAllBrokersAgree: as long as one broker, whichever it is, knows of other replicas than the rest, nothing is planned.
func TestPlansWaitUntilAllBrokersAgree(t *testing.T) {
	for late := int32(1); late <= 3; late++ {
		onFakes(t, func(t *testing.T, f *fakes, l *live) {
			began := time.Now()
			f.know(late, 1, 2, 3)
			time.AfterFunc(2*time.Second, func() { f.know(late, 1, 2) })
			l.awaitAgreement(t.Context())
			if took := time.Since(began); took < 2*time.Second || took > 3*time.Second {
				t.Errorf("it waited for %v, broker %d was told after two seconds", took, late)
			}
		})
	}
}

// TestBrokersThatNeverAgree are not waited for for ever.
func TestBrokersThatNeverAgree(t *testing.T) {
	onFakes(t, func(t *testing.T, f *fakes, l *live) {
		began := time.Now()
		f.know(2, 1, 2, 3)
		l.awaitAgreement(t.Context())
		if took := time.Since(began); took != agreeWithin {
			t.Errorf("it waited for %v, want %v", took, agreeWithin)
		}
	})
}

// TestPlansAreMadeFromWhatBrokersAgreeOn: a broker that was told between two requests of the same look had its earlier answer planned from, since the client
// remembered it. Whenever a broker is told, the replicas from before are not in the plan.
func TestPlansAreMadeFromWhatBrokersAgreeOn(t *testing.T) {
	for late := int32(1); late <= 3; late++ {
		for told := time.Millisecond; told < 2*agreePause; told += answerTime / 2 {
			onFakes(t, func(t *testing.T, f *fakes, l *live) {
				f.know(late, 1, 2, 3)
				time.AfterFunc(told, func() { f.know(late, 1, 2) })
				v, err := l.look(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(v.parts) != 1 || !slices.Equal(v.parts[0].Replicas, []int32{1, 2}) {
					t.Errorf("broker %d is told after %v, and %+v is planned from", late, told, v.parts)
				}
			})
		}
	}
}

// hang has a broker take requests and answer none.
func (f *fakes) hang(id int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs[id-1] = true
}

// oftenEnough is how often a test begins anew of which the client draws whom it asks first: so often that it has asked each broker.
const oftenEnough = 30

// TestBrokerThatHangsHoldsNobodyUp: at the worst it is asked for the list of brokers first, and then for what it knows.
func TestBrokerThatHangsHoldsNobodyUp(t *testing.T) {
	for range oftenEnough {
		onFakes(t, func(t *testing.T, f *fakes, l *live) {
			began := time.Now()
			f.hang(2)
			l.awaitAgreement(t.Context())
			if took := time.Since(began); took < agreeOne || took > 2*agreeOne+time.Second {
				t.Errorf("it waited for %v while a broker hung, want %v for each request at the most", took, agreeOne)
			}
		})
	}
}

// TestPlansWaitThoughABrokerHangs: the others have to agree all the same, also where the one that hangs was asked for the list of brokers.
func TestPlansWaitThoughABrokerHangs(t *testing.T) {
	for range oftenEnough {
		onFakes(t, func(t *testing.T, f *fakes, l *live) {
			const told = agreeOne + time.Second
			began := time.Now()
			f.hang(2)
			f.know(3, 1, 2, 3)
			time.AfterFunc(told, func() { f.know(3, 1, 2) })
			l.awaitAgreement(t.Context())
			if took := time.Since(began); took < told {
				t.Errorf("it waited for %v, the brokers that answer agreed after %v", took, told)
			}
		})
	}
}
