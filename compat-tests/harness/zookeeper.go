package harness

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ZooKeeper is the ZooKeeper that brokers share: one server, or an ensemble of several. Its methods may be called from
// one goroutine at a time.
type ZooKeeper struct {
	servers []*zookeeperServer
	dir     string // what Close deletes; "" for none
}

// zookeeperServer is one server. Its address and directory stay over restarts.
type zookeeperServer struct {
	addr, dir, conf, out string
	proc                 *process // nil while it does not run
}

// startZooKeeper starts so many servers on a host with their data below dir, and waits until they serve. Properties are added to each server's file.
func startZooKeeper(dir, host string, servers int, properties map[string]string) (*ZooKeeper, error) {
	z := &ZooKeeper{}
	var members strings.Builder
	for i := range servers {
		s, err := newServer(filepath.Join(dir, fmt.Sprint("server-", i+1)), host)
		if err != nil {
			return nil, err
		}
		z.servers = append(z.servers, s)
		if servers == 1 {
			continue // a server without a list of members is alone
		}
		peers, err := FreePort()
		if err != nil {
			return nil, err
		}
		elections, err := FreePort()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&members, "server.%d=127.0.0.1:%d:%d\n", i+1, peers, elections)
	}
	for i, s := range z.servers {
		if err := s.configure(i+1, members.String()); err != nil {
			return nil, err
		}
		if err := s.add(properties); err != nil {
			return nil, err
		}
	}
	if err := z.Start(); err != nil {
		z.stop()
		return nil, err
	}
	return z, nil
}

func newServer(dir, host string) (*zookeeperServer, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &zookeeperServer{addr: fmt.Sprintf("%s:%d", host, port), dir: dir,
		conf: filepath.Join(dir, "zoo.cfg"), out: filepath.Join(dir, "zookeeper.out")}, nil
}

// configure writes the server's files. The server does not wait until its log is on the disk (forceSync): what it has written outlives a kill, and no
// test needs more. Properties may say otherwise; see durably.
func (s *zookeeperServer) configure(id int, members string) error {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("dataDir=%s\nclientPortAddress=%s\nclientPort=%s\ntickTime=500\nmaxSessionTimeout=60000\ninitLimit=20\nsyncLimit=10\nmaxClientCnxns=0\n"+
		"admin.enableServer=false\n4lw.commands.whitelist=srvr,dump\nforceSync=no\n%s", s.dir, host, port, members)
	return errors.Join(os.WriteFile(s.conf, []byte(text), 0o644), os.WriteFile(filepath.Join(s.dir, "myid"), fmt.Appendf(nil, "%d\n", id), 0o644))
}

// add appends properties to the server's file.
func (s *zookeeperServer) add(properties map[string]string) error {
	f, err := os.OpenFile(s.conf, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(f, "%s=%s\n", name, properties[name])
	}
	return f.Close()
}

// durably are the properties of a ZooKeeper that works as an operator's does, for a cluster that is measured.
func durably(measured bool) map[string]string {
	if !measured {
		return nil
	}
	return map[string]string{"forceSync": "yes"}
}

// ZooKeeperOptions says how a ZooKeeper is started that no broker of the harness is on.
type ZooKeeperOptions struct {
	// Servers is how many servers it has; 0 stands for 1.
	Servers int
	// Properties are added to zoo.cfg of each server, or stand in the place of what the harness sets.
	Properties map[string]string
}

// NewZooKeeper starts a ZooKeeper and waits until it serves. The caller closes it.
func NewZooKeeper(o ZooKeeperOptions) (*ZooKeeper, error) {
	dir, err := os.MkdirTemp("", "klamm-zookeeper-")
	if err != nil {
		return nil, err
	}
	z, err := startZooKeeper(dir, loopback, max(1, o.Servers), o.Properties)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	z.dir = dir
	return z, nil
}

// StartZooKeeper is NewZooKeeper for one test, which closes it.
func StartZooKeeper(t testing.TB, o ZooKeeperOptions) *ZooKeeper {
	t.Helper()
	z, err := NewZooKeeper(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(z.Close)
	return z
}

// Close ends the servers of NewZooKeeper and deletes their data.
func (z *ZooKeeper) Close() {
	z.stop()
	os.RemoveAll(z.dir)
}

// Connect is the list of servers as zookeeper.connect has it.
func (z *ZooKeeper) Connect() string { return strings.Join(z.Addrs(), ",") }

// Addrs are the servers' addresses.
func (z *ZooKeeper) Addrs() []string {
	var addrs []string
	for _, s := range z.servers {
		addrs = append(addrs, s.addr)
	}
	return addrs
}

// Start starts the servers that do not run, on the data that they have, and waits until all servers serve.
func (z *ZooKeeper) Start() error {
	for _, s := range z.servers {
		if err := s.launch(); err != nil {
			return err
		}
	}
	for _, s := range z.servers {
		if err := s.awaitReady(); err != nil {
			return err
		}
	}
	return nil
}

// Kill sends SIGKILL to one server, by its place among Addrs.
func (z *ZooKeeper) Kill(server int) {
	if s := z.servers[server]; s.proc != nil {
		s.proc.kill()
		s.proc = nil
	}
}

// KillAll sends SIGKILL to all servers.
func (z *ZooKeeper) KillAll() {
	for i := range z.servers {
		z.Kill(i)
	}
}

// Leader is the place among Addrs of the server that leads the ensemble, or of the only server; -1 when there is none.
func (z *ZooKeeper) Leader() int {
	return slices.IndexFunc(z.servers, func(s *zookeeperServer) bool {
		mode := s.mode()
		return mode == "leader" || mode == "standalone"
	})
}

func (s *zookeeperServer) launch() error {
	if s.proc != nil {
		return nil
	}
	java, err := javaPath()
	if err != nil {
		return err
	}
	args, err := jvmArgs(Kafka39, "256m", "WARN", cheap(Kafka39))
	if err != nil {
		return err
	}
	s.proc, err = spawn(spawnOptions{name: java, dir: s.dir, out: s.out,
		args: append(args, "org.apache.zookeeper.server.quorum.QuorumPeerMain", s.conf)})
	return err
}

func (s *zookeeperServer) awaitReady() error {
	for deadline := time.Now().Add(readyWithin); ; pause() {
		if s.mode() != "" {
			return nil
		}
		if s.proc.ended() || time.Now().After(deadline) {
			return fmt.Errorf("harness: ZooKeeper did not come up:\n%s", s.log())
		}
	}
}

func (s *zookeeperServer) log() string {
	text, _ := os.ReadFile(s.out)
	return string(text)
}

// mode is "standalone", "leader" or "follower", or "" while the server does not serve.
func (s *zookeeperServer) mode() string {
	answer, _ := s.ask("srvr")
	_, rest, _ := strings.Cut(answer, "\nMode: ")
	mode, _, _ := strings.Cut(rest, "\n")
	return mode
}

// ask sends one of ZooKeeper's four-letter words.
func (s *zookeeperServer) ask(word string) (string, error) {
	c, err := net.DialTimeout("tcp", s.addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	return string(answer), err
}

// ephemeral says whether an ephemeral node stands in the tree.
func (z *ZooKeeper) ephemeral(path string) (bool, error) {
	var errs []error
	for _, s := range z.servers {
		answer, err := s.ask("dump")
		if err == nil && strings.Contains(answer, "Sessions with Ephemerals") {
			return strings.Contains(answer, "\t"+path+"\n"), nil
		}
		errs = append(errs, err)
	}
	return false, fmt.Errorf("harness: no ZooKeeper server says which ephemeral nodes there are: %w", errors.Join(errs...))
}

// awaitGone waits until an ephemeral node is gone.
func (z *ZooKeeper) awaitGone(path string, within time.Duration) error {
	for deadline := time.Now().Add(within); ; pause() {
		there, err := z.ephemeral(path)
		if err == nil && !there {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("harness: ZooKeeper still has %s after %s (%v)", path, within, err)
		}
	}
}

// stop ends the servers.
func (z *ZooKeeper) stop() {
	for _, s := range z.servers {
		if s.proc == nil {
			continue
		}
		s.proc.signal(syscall.SIGTERM)
		if _, err := s.proc.wait(5 * time.Second); err != nil {
			s.proc.kill()
		}
		s.proc = nil
	}
}
