package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker"
	"klamm/broker/brokertest"
)

// The golden files hold what Apache Kafka answers. To write them again, start
// the broker as testdata/golden/README.md says and run
//
//	go test ./server -run TestGolden -ask 127.0.0.1:9092 -reference 3.9.2
//	go test ./server -run TestGolden -ask 127.0.0.1:9092 -reference 4.4.0
//
// and, for the answers that differ on purpose, after reading them,
//
//	go test ./server -run TestGolden -reference klamm
var (
	askAddr   = flag.String("ask", "", "address of a running reference broker whose answers become the golden files")
	askGroups = flag.Bool("groups", false, "ask what needs group.initial.rebalance.delay.ms=0, which the reference was started with")
	reference = flag.String("reference", "", "the golden files to write: 3.9.2, 4.4.0 or klamm")
)

// goldenCase is one conversation, held once in every version of an API.
type goldenCase struct {
	name string
	key  kmsg.Key
	// from and to narrow the versions; to 0 is the highest.
	from, to int16
	lowest   bool // of the versions only the first
	// setup is done before the steps, its answers are not kept.
	setup func(t *talk)
	steps []goldenStep
	// klamm says why klamm answers otherwise than the reference; empty where it
	// does not. The answers that it gives are then in testdata/golden/klamm.
	klamm string
	// explains says that klamm may have a message for people where the reference
	// has none.
	explains bool
	// unset asks for a broker that only its address and directory were set for.
	unset bool
	// groups asks for a broker on which a group's first member does not wait for others.
	groups bool
	// peer asks for a broker that takes orders from others.
	peer bool
	// only names the reference that the case is about, when it is only one.
	only string
}

// goldenStep is one request. Its version is the conversation's when it is of
// the same API, and the highest one of 3.9.2 otherwise.
type goldenStep struct {
	req   func(t *talk) kmsg.Request
	until func(resp kmsg.Response) bool // asked again until true, when set
	mine  bool                          // other topics than the conversation's are dropped from the answer
	drop  []string                      // fields that are not kept
	// ordered keeps arrays as they are: their order is what the client is told.
	ordered bool
	// unpacked tells the records of batches one by one, and not how large those are.
	unpacked bool
	// lowest sends it in version 0.
	lowest bool
	// quiet wants no answer: what the broker makes of the request shows in the
	// next step, on the same connection.
	quiet bool
}

// talk is the state of one conversation.
type talk struct {
	testing.TB
	wire    *wire
	version int16
	prefix  string
	ids     map[string][16]byte
	members []string // the ids of members, as the answers gave them
	session int32    // the fetch session of the last Fetch answer that had one
	// otherVersion is set by a step that is to be sent in the next version or the
	// one before, whichever names topics the other way.
	otherVersion bool
}

// n is a topic name of this conversation.
func (t *talk) n(name string) string { return t.prefix + name }

func (t *talk) id(name string) [16]byte {
	t.learn()
	id, ok := t.ids[t.n(name)]
	if !ok {
		t.Fatalf("topic %s has no id", t.n(name))
	}
	return id
}

// answers is what a golden file holds for one or more versions.
type answers struct {
	Versions string `json:"versions"`
	Answers  []any  `json:"answers"`
}

func TestGolden(t *testing.T) {
	addr := *askAddr
	var served func(kmsg.Key) (int16, int16, bool)
	if addr == "" {
		// The cases write records of 1970: retention shall not come by meanwhile.
		addr, served = startGoldenBroker(t, "log.initial.task.delay.ms=86400000")
	} else {
		served = servedBy(t, addr)
	}
	groupsAt := sync.OnceValue(func() string {
		at, _ := startGoldenBroker(t, "group.initial.rebalance.delay.ms=0", "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1")
		return at
	})
	peersAt := sync.OnceValue(func() string { return brokertest.RunWith(t, broker.Options{Tree: brokertest.InMemory()}).Addr() })
	names := make(map[string]bool)
	for _, c := range goldenCases() {
		if names[c.name] {
			t.Fatalf("two golden cases are named %s", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			from, to, ok := served(c.key)
			if !ok || (*askAddr != "" && c.only != "" && c.only != *reference) {
				return
			}
			from = max(from, c.from)
			if c.to != 0 {
				to = min(to, c.to)
			}
			if c.lowest {
				to = from
			}
			at := addr
			switch {
			case *askAddr != "" && c.groups != *askGroups:
				return // that reference is started otherwise
			case c.unset && *askAddr == "":
				at, _ = startGoldenBroker(t)
			case c.peer && *askAddr == "":
				at = peersAt()
			case c.groups && *askAddr == "":
				at = groupsAt()
			}
			got := make(map[int16][]any)
			for v := from; v <= to; v++ {
				got[v] = converse(t, at, c, v)
			}
			if *askAddr != "" {
				writeGolden(t, *reference, c.name, got)
				return
			}
			checkGolden(t, c, got)
		})
	}
}

// converse holds the conversation of a case in one version.
func converse(tb testing.TB, addr string, c goldenCase, version int16) []any {
	t := &talk{TB: tb, wire: dial(tb, addr), version: version, ids: map[string][16]byte{},
		prefix: fmt.Sprintf("%s-v%d-", strings.ReplaceAll(c.name, "/", "-"), version)}
	defer t.wire.close()
	t.removeTopics()
	if c.setup != nil {
		c.setup(t)
		t.learn()
	}
	var got []any // responses until all are there: only then every topic's id is known
	for _, s := range c.steps {
		var resp kmsg.Response
		for tries := 0; ; tries++ {
			if tries == maxTries {
				got = append(got, "never")
				break
			}
			if tries > 0 {
				time.Sleep(pause) // the reference's broker does it in its own time
			}
			req := s.req(t)
			if t.otherVersion {
				t.otherVersion = false
				req.SetVersion(version ^ 1)
			} else if s.lowest {
				req.SetVersion(0)
			} else if req.Key() == int16(c.key) {
				req.SetVersion(version)
			} else {
				req.SetVersion(steady(kmsg.Key(req.Key())))
			}
			if s.quiet {
				if err := t.wire.send(req); err != nil {
					t.Fatal(err)
				}
				got = append(got, "not waited for")
				break
			}
			var err error
			resp, err = t.wire.ask(req)
			if errors.As(err, new(*encodingError)) {
				t.Error(err)
				err = nil
			}
			if err != nil {
				said := "connection closed"
				if errors.Is(err, os.ErrDeadlineExceeded) {
					said = "no answer"
				}
				got = append(got, said)
				t.wire.close()
				t.wire = dial(t, addr)
				break
			}
			if s.until == nil || s.until(resp) {
				t.learn()
				got = append(got, resp)
				t.note(resp)
				break
			}
		}
	}
	for i, s := range c.steps {
		if resp, answered := got[i].(kmsg.Response); answered {
			got[i] = t.plain(resp, s)
		}
	}
	t.removeTopics()
	return got
}

// What is asked for again, such as a topic's leader, is asked for maxTries
// times with a pause in between.
const (
	maxTries = 100
	pause    = 20 * time.Millisecond
)

// steady is the version that a request beside the case's API is sent in.
func steady(k kmsg.Key) int16 {
	switch k {
	case kmsg.Produce:
		return 9
	case kmsg.Fetch:
		return 12
	case kmsg.Metadata:
		return 12
	case kmsg.ListOffsets:
		return 9
	case kmsg.DescribeLogDirs:
		return 4
	case kmsg.InitProducerID:
		return 4
	case kmsg.OffsetCommit:
		return 8
	case kmsg.OffsetFetch:
		return 7
	case kmsg.DescribeGroups:
		return 5
	case kmsg.DeleteGroups:
		return 2
	default:
		return kmsg.RequestForKey(int16(k)).MaxVersion()
	}
}

// learn remembers the topics' ids, to name them in the answers.
func (t *talk) learn() {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	resp, err := t.wire.ask(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range resp.(*kmsg.MetadataResponse).Topics {
		if topic.Topic != nil && strings.HasPrefix(*topic.Topic, t.prefix) {
			t.ids[*topic.Topic] = topic.TopicID
		}
	}
}

// note remembers the fetch session that an answer tells.
func (t *talk) note(resp kmsg.Response) {
	if f, ok := resp.(*kmsg.FetchResponse); ok && f.SessionID != 0 {
		t.session = f.SessionID
	}
	if j, ok := resp.(*kmsg.JoinGroupResponse); ok && len(j.MemberID) > 36 && !slices.Contains(t.members, j.MemberID) {
		t.members = append(t.members, j.MemberID)
	}
}

// lastMember is the id that was given last, empty for none.
func (t *talk) lastMember() string {
	if len(t.members) == 0 {
		return ""
	}
	return t.members[len(t.members)-1]
}

// removeTopics deletes the conversation's topics and waits until they are gone.
func (t *talk) removeTopics() {
	for {
		meta := kmsg.NewPtrMetadataRequest()
		meta.Version = 12
		resp, err := t.wire.ask(meta)
		if err != nil {
			t.Fatal(err)
		}
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.Version = 6
		del.TimeoutMillis = 20000
		for _, topic := range resp.(*kmsg.MetadataResponse).Topics {
			if topic.Topic != nil && strings.HasPrefix(*topic.Topic, t.prefix) {
				d := kmsg.NewDeleteTopicsRequestTopic()
				d.Topic = topic.Topic
				del.Topics = append(del.Topics, d)
			}
		}
		if len(del.Topics) == 0 {
			return
		}
		if _, err := t.wire.ask(del); err != nil {
			t.Fatal(err)
		}
	}
}

// plain turns an answer into what JSON can hold and two runs have in common.
func (t *talk) plain(resp kmsg.Response, s goldenStep) any {
	return t.value(reflect.ValueOf(resp).Elem(), "", s)
}

func (t *talk) value(v reflect.Value, field string, s goldenStep) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return t.value(v.Elem(), field, s)
	case reflect.Struct:
		out := make(map[string]any)
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "UnknownTags" || name == "Version" || slices.Contains(s.drop, name) {
				continue
			}
			out[name] = t.value(v.Field(i), name, s)
		}
		return out
	case reflect.Slice:
		return t.array(v, field, s)
	case reflect.Array:
		return t.idName(v.Interface().([16]byte))
	case reflect.String:
		return t.text(v.String(), field)
	case reflect.Bool:
		return v.Bool()
	case reflect.Float64:
		return v.Float()
	default:
		return t.number(v.Int(), field)
	}
}

// array sorts where the reference gives the order of a hash table.
func (t *talk) array(v reflect.Value, field string, s goldenStep) any {
	if v.IsNil() {
		return nil
	}
	if field == "RecordBatches" {
		if s.unpacked {
			return unpackedText(v.Bytes())
		}
		return batchesText(v.Bytes())
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return strconv.Quote(string(v.Bytes()))
	}
	out := make([]any, 0, v.Len())
	for i := range v.Len() {
		e := t.value(v.Index(i), field, s)
		if m, ok := e.(map[string]any); ok && s.mine {
			name, isTopic := m["Topic"].(string)
			if m["Type"] == int64(kmsg.ConfigResourceTypeTopic) {
				name, isTopic = m["Name"].(string)
			}
			if isTopic && !strings.HasPrefix(name, "~") {
				continue
			}
			if group, ok := m["Group"].(string); ok && !strings.HasPrefix(group, "~") {
				continue
			}
		}
		out = append(out, e)
	}
	if s.ordered {
		return out
	}
	sort.SliceStable(out, func(i, j int) bool { return asJSON(out[i]) < asJSON(out[j]) })
	return out
}

func (t *talk) idName(id [16]byte) string {
	if id == [16]byte{} {
		return "none"
	}
	for name, known := range t.ids {
		if known == id {
			return "id of " + t.text(name, "")
		}
	}
	return fmt.Sprintf("%x", id)
}

func (t *talk) text(s, field string) string {
	switch field {
	case "Host", "ClusterID", "Dir", "Documentation":
		if s != "" {
			return "<" + field + ">"
		}
	}
	if i := slices.Index(t.members, s); i >= 0 {
		return fmt.Sprintf("<%s %d>", strings.TrimRight(s[:len(s)-36], "-"), i+1)
	}
	return strings.ReplaceAll(s, t.prefix, "~")
}

func (t *talk) number(n int64, field string) any {
	switch field {
	case "Port", "ProducerID", "TotalBytes", "UsableBytes":
		if n >= 0 {
			return "<" + field + ">"
		}
	case "SessionID":
		if n != 0 {
			return "<" + field + ">"
		}
	case "LogAppendTime":
		if n >= thisCentury {
			return "<now>"
		}
	}
	return n
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// fold puts versions that answer alike together.
func fold(got map[int16][]any) []answers {
	versions := make([]int, 0, len(got))
	for v := range got {
		versions = append(versions, int(v))
	}
	slices.Sort(versions)
	var out []answers
	first := 0
	for i, v := range versions {
		if i > 0 && asJSON(out[len(out)-1].Answers) == asJSON(got[int16(v)]) {
			out[len(out)-1].Versions = fmt.Sprintf("%d-%d", versions[first], v)
			continue
		}
		first = i
		out = append(out, answers{Versions: fmt.Sprint(v), Answers: got[int16(v)]})
	}
	return out
}

func goldenPath(ref, name string) string {
	return filepath.Join("testdata", "golden", ref, name+".json")
}

func writeGolden(t *testing.T, ref, name string, got map[int16][]any) {
	path := goldenPath(ref, name)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(fold(got)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readGolden gives the answers by version; nil when there is no such file.
func readGolden(t *testing.T, ref, name string) map[int16][]any {
	b, err := os.ReadFile(goldenPath(ref, name))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var folded []answers
	if err := json.Unmarshal(b, &folded); err != nil {
		t.Fatal(err)
	}
	out := make(map[int16][]any)
	for _, a := range folded {
		var from, to int16
		if n, _ := fmt.Sscanf(a.Versions, "%d-%d", &from, &to); n == 1 {
			to = from
		}
		for v := from; v <= to; v++ {
			out[v] = a.Answers
		}
	}
	return out
}

// checkGolden compares klamm's answers with those of 3.9.2, and in versions
// which that does not serve with those of 4.4.0.
func checkGolden(t *testing.T, c goldenCase, got map[int16][]any) {
	if c.klamm != "" && *reference == "klamm" {
		writeGolden(t, "klamm", c.name, got)
		return
	}
	old, newest, own := readGolden(t, "3.9.2", c.name), readGolden(t, "4.4.0", c.name), readGolden(t, "klamm", c.name)
	if (own != nil) != (c.klamm != "") {
		t.Fatalf("a case has a file in testdata/golden/klamm when it says why klamm differs, and only then")
	}
	differs := false
	for v, answers := range got {
		want, from := old[v], "3.9.2"
		if want == nil {
			want, from = newest[v], "4.4.0"
		}
		if want == nil {
			t.Errorf("v%d: neither reference has answered; write the golden files again", v)
			continue
		}
		if own != nil {
			differs = differs || len(difference(normal(answers), normal(want), "")) > 0
			want, from = own[v], "klamm"
		}
		for _, d := range difference(normal(answers), normal(want), "") {
			if c.explains && strings.Contains(d, "ErrorMessage: ") && strings.HasSuffix(d, ", want null") {
				continue
			}
			t.Errorf("v%d against %s: %s", v, from, d)
		}
	}
	if own != nil && !differs {
		t.Errorf("klamm answers as the reference does: delete %s and the case's reason", goldenPath("klamm", c.name))
	}
}

// normal gives values the types that reading JSON gives.
func normal(v any) any {
	var out any
	if err := json.Unmarshal([]byte(asJSON(v)), &out); err != nil {
		panic(err)
	}
	return out
}

// difference lists where two answers differ. Messages to people are equal when
// both are there.
func difference(got, want any, path string) []string {
	if strings.HasSuffix(path, "ErrorMessage") && (got == nil) == (want == nil) && (got == "") == (want == "") {
		return nil
	}
	g, gok := got.(map[string]any)
	w, wok := want.(map[string]any)
	if gok && wok {
		var out []string
		for k := range w {
			out = append(out, difference(g[k], w[k], path+"."+k)...)
		}
		return out
	}
	ga, gok := got.([]any)
	wa, wok := want.([]any)
	if strings.HasSuffix(path, "RecordBatches") {
		wa = wholeBatches(wa)
	}
	if gok && wok && len(ga) == len(wa) {
		var out []string
		for i := range wa {
			out = append(out, difference(ga[i], wa[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return out
	}
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return []string{fmt.Sprintf("%s: got %s, want %s", path, asJSON(got), asJSON(want))}
}

// servedBy asks a broker for its versions.
func servedBy(t *testing.T, addr string) func(kmsg.Key) (int16, int16, bool) {
	w := dial(t, addr)
	defer w.close()
	resp, err := w.ask(kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		t.Fatal(err)
	}
	return func(k kmsg.Key) (int16, int16, bool) {
		for _, a := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
			if a.ApiKey == int16(k) {
				return a.MinVersion, min(a.MaxVersion, kmsg.RequestForKey(int16(k)).MaxVersion()), true
			}
		}
		return 0, 0, false
	}
}
