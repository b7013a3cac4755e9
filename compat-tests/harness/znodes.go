package harness

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// TreeOptions says what [Cluster.Tree] leaves out.
type TreeOptions struct {
	// Settled leaves out what depends on how often leaders moved and replicas fell behind: leader epochs, the controller and its
	// epoch, the order of the ISR, the versions of nodes, and notifications.
	Settled bool
	// Without names the nodes that are left out with all below them.
	Without []string
}

// Tree gives the tree of znodes as text: one line for each node, sorted by path, with the node's version and body. What
// differs between two clusters that got the same commands is masked: timestamps, addresses and the cluster's id. A topic
// id reads "id of" its topic; two topics with one id are an error. An ephemeral node says whose it is: "of broker 1",
// if the session is that of the node /brokers/ids/1. The keys of objects whose keys are data, such as configurations,
// are sorted.
func (c *Cluster) Tree(t testing.TB, o TreeOptions) string {
	t.Helper()
	deadline := time.Now().Add(readyWithin)
	for ; ; pause() {
		tree, err := c.tree(o)
		if err == nil {
			return tree
		}
		if time.Now().After(deadline) {
			t.Fatalf("the tree cannot be read: %v", err)
		}
	}
}

// assignment matches the node with a topic's assignment. Its version is left out: Apache's controller ends a reassignment that adds
// and removes nothing by writing the same once more.
var assignment = regexp.MustCompile(`^/brokers/topics/[^/]+$`)

// errMoved says that a node went while the tree was read.
var errMoved = errors.New("the tree changes")

func (c *Cluster) tree(o TreeOptions) (string, error) {
	conn, err := c.zk()
	if err != nil {
		return "", err
	}
	d := &treeDump{conn: conn, o: o, owners: map[int64]string{}, topics: map[string]string{}, addrs: map[string]string{}}
	for i, b := range c.Brokers {
		d.addrs[b.Addr] = fmt.Sprint("address of ", i+1)
		_, port, _ := strings.Cut(b.Addr, ":")
		d.addrs[`"port":`+port] = fmt.Sprintf(`"port":"port of %d"`, i+1)
	}
	if err := d.walk("/"); err != nil {
		return "", err
	}
	return d.text()
}

// Zk gives a client of the ZooKeeper, for a test that changes the tree as a tool does. It closes with the cluster.
func (c *Cluster) Zk(t testing.TB) *zk.Conn {
	t.Helper()
	conn, err := c.zk()
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (c *Cluster) zk() (*zk.Conn, error) {
	if c.conn == nil {
		conn, _, err := zk.Connect(c.ZooKeeper.Addrs(), 10*time.Second, zk.WithLogger(noLog{}), zk.WithLogInfo(false))
		if err != nil {
			return nil, err
		}
		c.conn = conn
	}
	return c.conn, nil
}

type noLog struct{}

func (noLog) Printf(string, ...any) {}

// znode is a node as it was read.
type znode struct {
	path string
	body []byte
	stat *zk.Stat
}

// treeDump is a tree on its way to text.
type treeDump struct {
	conn   *zk.Conn
	o      TreeOptions
	nodes  []znode
	owners map[int64]string  // by session: its broker
	topics map[string]string // by topic id
	addrs  map[string]string // by text: what stands for it
}

// walk reads a node and all below it.
func (d *treeDump) walk(path string) error {
	if path == "/zookeeper" || slices.Contains(d.o.Without, path) {
		return nil
	}
	body, stat, err := d.conn.Get(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if path != "/" {
		d.nodes = append(d.nodes, znode{path, body, stat})
	}
	if id, ok := strings.CutPrefix(path, "/brokers/ids/"); ok {
		d.owners[stat.EphemeralOwner] = "of broker " + id
	}
	children, _, err := d.conn.Children(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	slices.SortFunc(children, byNumber)
	for _, name := range children {
		if err := d.walk(strings.TrimSuffix(path, "/") + "/" + name); err != nil && !errors.Is(err, zk.ErrNoNode) {
			return err
		} else if err != nil {
			return errMoved // what was listed went before it was read
		}
	}
	return nil
}

// byNumber sorts numbers as numbers, so that partition 10 follows 9.
func byNumber(a, b string) int {
	m, errA := strconv.Atoi(a)
	n, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(m, n)
	}
	return cmp.Compare(a, b)
}

// SortedPaths sorts the paths of nodes, with numbers in them as numbers.
func SortedPaths(paths map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(paths), func(a, b string) int {
		return slices.CompareFunc(strings.Split(a, "/"), strings.Split(b, "/"), byNumber)
	})
}

var (
	topicNode     = regexp.MustCompile(`^/brokers/topics/([^/]+)$`)
	topicID       = regexp.MustCompile(`"topic_id":"([^"]*)"`)
	timestamp     = regexp.MustCompile(`"timestamp":"\d+"`)
	clusterIDBody = regexp.MustCompile(`"id":"[^"]+"`)
	allocator     = regexp.MustCompile(`"broker":\d+`)
	epochs        = regexp.MustCompile(`"(leader_epoch|controller_epoch)":-?\d+`)
	isr           = regexp.MustCompile(`"isr":\[([\d,]*)\]`)
)

// text makes the lines.
func (d *treeDump) text() (string, error) {
	for _, n := range d.nodes {
		name := topicNode.FindStringSubmatch(n.path)
		id := topicID.FindSubmatch(n.body)
		if name == nil || id == nil {
			continue
		}
		if other := d.topics[string(id[1])]; other != "" {
			return "", fmt.Errorf("topics %s and %s have the same id %s", other, name[1], id[1])
		}
		d.topics[string(id[1])] = name[1]
	}
	var s strings.Builder
	for _, n := range d.nodes {
		if d.o.Settled && notification(n.path) {
			continue
		}
		s.WriteString(n.path)
		if !d.o.Settled && !assignment.MatchString(n.path) {
			fmt.Fprintf(&s, " v%d", n.stat.Version)
		}
		if n.stat.EphemeralOwner != 0 {
			s.WriteString(" ephemeral")
			if !d.o.Settled {
				s.WriteString(" " + cmp.Or(d.owners[n.stat.EphemeralOwner], "of nobody"))
			}
		}
		if body := d.body(n); body != "" {
			s.WriteString(" " + body)
		}
		s.WriteString("\n")
	}
	return s.String(), nil
}

// notification says whether a node is one of those that brokers write to tell each other, and delete later.
func notification(path string) bool {
	return strings.HasPrefix(path, "/config/changes/") || strings.HasPrefix(path, "/isr_change_notification/") || strings.HasPrefix(path, "/log_dir_event_notification/")
}

// body is a node's body with what differs masked; "null" stands for an empty body of length 0, which is not a null body.
func (d *treeDump) body(n znode) string {
	if n.body == nil {
		return ""
	}
	if len(n.body) == 0 {
		return "empty"
	}
	body := string(n.body)
	if sorted, err := sortDataKeys(n.body); err == nil {
		body = sorted
	}
	body = timestamp.ReplaceAllString(body, `"timestamp":"then"`)
	body = topicID.ReplaceAllStringFunc(body, func(s string) string {
		return fmt.Sprintf(`"topic_id":"id of %s"`, cmp.Or(d.topics[topicID.FindStringSubmatch(s)[1]], "no topic"))
	})
	for text, mask := range d.addrs {
		body = strings.ReplaceAll(body, text, mask)
	}
	switch n.path {
	case "/cluster/id":
		body = clusterIDBody.ReplaceAllString(body, `"id":"id of the cluster"`)
	case "/latest_producer_id_block":
		body = allocator.ReplaceAllString(body, `"broker":"some"`)
	}
	if !d.o.Settled {
		return body
	}
	switch n.path {
	case "/controller", "/controller_epoch", "/latest_producer_id_block":
		return "masked"
	}
	body = epochs.ReplaceAllString(body, `"$1":"masked"`)
	return isr.ReplaceAllStringFunc(body, func(s string) string {
		ids := strings.Split(isr.FindStringSubmatch(s)[1], ",")
		slices.SortFunc(ids, byNumber)
		return `"isr":[` + strings.Join(ids, ",") + "]"
	})
}

// dataKeys are the objects of a body whose keys are data, which a broker may write in any order.
var dataKeys = []string{"partitions", "adding_replicas", "removing_replicas", "config", "listener_security_protocol_map"}

// sortDataKeys sorts the keys of these objects and leaves all else as it is. It gives an error for what is not an object.
func sortDataKeys(body []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return "", errors.New("not an object")
	}
	var s strings.Builder
	s.WriteByte('{')
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "", err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return "", err
		}
		if s.Len() > 1 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, "%q:", key)
		var data map[string]json.RawMessage
		if slices.Contains(dataKeys, key.(string)) && json.Unmarshal(value, &data) == nil {
			value = sorted(data)
		}
		s.Write(value)
	}
	s.WriteByte('}')
	// White space is kept in values alone; a body with some between its keys stays as it is.
	if s.Len() != len(body) {
		return "", errors.New("not compact")
	}
	return s.String(), nil
}

func sorted(data map[string]json.RawMessage) []byte {
	var s bytes.Buffer
	s.WriteByte('{')
	keys := make([]string, 0, len(data))
	for k := range data {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, byNumber)
	for i, k := range keys {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, "%q:%s", k, data[k])
	}
	s.WriteByte('}')
	return s.Bytes()
}
