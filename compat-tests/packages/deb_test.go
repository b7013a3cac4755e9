package packages

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klamm/cmd/scripts"
	"klamm/compat-tests/harness"
)

const (
	unitFile = "/usr/lib/systemd/system/klamm.service"
	conf     = "/etc/klamm/server.properties"
	data     = "/var/lib/klamm"
)

// TestALifeOfTheDebianPackage installs the package, starts the broker as its unit does, upgrades, removes and purges it. The package manager is the
// machine's own, on a copy of its files.
func TestALifeOfTheDebianPackage(t *testing.T) {
	first := deb(t)
	j := newJail(t, "/")
	j.system()
	j.mount(filepath.Dir(first), "packages", "", unix.MS_BIND, "")
	j.run("dpkg --install /packages/" + filepath.Base(first))

	klamm := j.account("klamm")
	for path, want := range map[string]os.FileMode{data: os.ModeDir | 0o750, conf: 0o640, "/etc/default/klamm": 0o640, "/usr/bin/klamm": 0o755} {
		owner, mode := j.stat(path)
		wantOwner := map[string]user{data: klamm, conf: {0, klamm.gid}, "/etc/default/klamm": {0, klamm.gid}}[path]
		if mode != want || owner != wantOwner {
			t.Errorf("%s is %v of %v, want %v of %v", path, mode, owner, want, wantOwner)
		}
	}
	if said := j.run("bash -c 'source /usr/share/bash-completion/completions/klamm && complete -p klamm'"); !strings.Contains(said, "klamm") {
		t.Errorf("bash completes nothing of klamm's: %q", said)
	}
	if listening("127.0.0.1", 9092) || j.exists("/etc/systemd/system/multi-user.target.wants/klamm.service") {
		t.Error("the installation started the broker, which nobody has configured, or has it start at the next boot")
	}
	if said := j.run("systemd-analyze verify --man=no " + unitFile + " 2>&1"); strings.Contains(said, "klamm") {
		t.Errorf("systemd says of the unit:\n%s", said)
	}
	// The level is that of services with hardly any rights left; a unit with User= alone has 92.
	if said, err := j.try("systemd-analyze security --no-pager --offline=true --threshold=20 " + unitFile); err != nil {
		t.Errorf("the unit leaves the broker more rights than it needs, %v:\n%s", err, said)
	}

	j.run("echo KLAMM_GROUP_INITIAL_REBALANCE_DELAY_MS=0 >>/etc/default/klamm") // does not keep the test waiting
	s := startUnit(t, j, klamm)
	topic := produceAndConsume(t, "127.0.0.1:9092")
	for _, script := range scripts.Scripts() {
		if at := "/usr/lib/klamm/bin/" + script.Name + ".sh"; !j.exists(at) {
			t.Errorf("there is no %s", at)
		}
	}
	if said := j.run("/usr/lib/klamm/bin/kafka-topics.sh --bootstrap-server 127.0.0.1:9092 --list"); !strings.Contains(said, topic) {
		t.Errorf("kafka-topics.sh --list says %q", said)
	}
	s.stop()
	j.run("echo '# mine' >>" + conf)

	// The next version is the same but for its number.
	j.run("cd /tmp && dpkg-deb --raw-extract /packages/" + filepath.Base(first) + " next && sed -i 's/^Version:.*/Version: 999/' next/DEBIAN/control && dpkg-deb -Znone --build next next.deb")
	j.run("dpkg --install /tmp/next.deb")
	if got := j.run("dpkg-query --show --showformat='${Version}' klamm"); got != "999" {
		t.Errorf("version %s is installed, want 999", got)
	}
	if !strings.Contains(j.run("cat "+conf), "# mine") {
		t.Error("the upgrade undid a change of the configuration")
	}
	s = startUnit(t, j, klamm)
	if end := harness.EndOffset(t, "127.0.0.1:9092", topic, 0); end != 1 {
		t.Errorf("after the upgrade the topic ends at %d, want 1", end)
	}
	s.stop()

	j.run("dpkg --remove klamm")
	if j.exists("/usr/bin/klamm") || j.exists(unitFile) || !j.exists(conf) {
		t.Error("a removal takes the programs and keeps the configuration")
	}
	said := j.run("dpkg --purge klamm")
	if j.exists(conf) || j.exists("/etc/klamm") || j.exists("/etc/default/klamm") {
		t.Error("a purge keeps the configuration")
	}
	if !j.exists(data+"/"+topic+"-0/00000000000000000000.log") || j.account("klamm") != klamm || !strings.Contains(said, data) {
		t.Errorf("a purge took the data or their owner, or did not say that it keeps them: %q", said)
	}
}

// service is the broker as systemd runs it.
type service struct {
	t    *testing.T
	p    *harness.Running
	said *lines // its log
	told *lines // what it told systemd
}

// startUnit runs the unit's command with the unit's user and what systemd would tell it, and waits until the service says that it is ready, and then
// that it is alive.
func startUnit(t *testing.T, j *jail, as user) *service {
	t.Helper()
	unit := readUnit(t, j)
	if unit["Type"] != "notify" || unit["User"] != "klamm" || unit["Group"] != "klamm" || unit["WatchdogSec"] == "" {
		t.Fatalf("the unit is %q", unit)
	}
	name := "@klamm-unit-" + strings.ReplaceAll(t.TempDir(), "/", "-")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	argv := strings.Fields(unit["ExecStart"])
	env := append(environmentFile(t, j, unit), "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=1000000", "HOME="+data)
	cmd := j.command(as, env, argv[0], argv[1:]...)
	cmd.Dir = unit["WorkingDirectory"]
	s := &service{t: t, said: &lines{}, told: &lines{}}
	go s.listen(socket)
	s.p = harness.RunCommand(t, s.said.add, cmd)
	if first := s.await("STATUS=starting"); !strings.Contains(first, "\nEXTEND_TIMEOUT_USEC=") {
		t.Errorf("a broker that starts asks for no time: %q", first)
	}
	s.await("READY=1")
	if c, err := net.Dial("tcp", "127.0.0.1:9092"); err != nil {
		t.Errorf("the service is ready and takes no client: %v", err)
	} else {
		_ = c.Close()
	}
	s.await("WATCHDOG=1")
	return s
}

// listen takes what the service says, as soon as it says it: the queue of the socket is short.
func (s *service) listen(socket *net.UnixConn) {
	buf := make([]byte, 4096)
	for {
		n, err := socket.Read(buf)
		if err != nil { // closed
			return
		}
		s.told.add(string(buf[:n]))
	}
}

// await waits for a message with an assignment that begins so, and gives the message.
func (s *service) await(begin string) string {
	s.t.Helper()
	message := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(begin))
	s.told.await(s.t, message)
	return s.told.first(message)
}

// stop ends the service as systemd does.
func (s *service) stop() {
	s.t.Helper()
	s.p.Stop()
	s.await("STOPPING=1")
	if said := s.said.text(); !strings.Contains(said, "stopped cleanly") {
		s.t.Errorf("it did not stop cleanly:\n%s", said)
	}
}

// readUnit gives the settings of the unit that stand once.
func readUnit(t *testing.T, j *jail) map[string]string {
	t.Helper()
	text, err := os.ReadFile(j.path(unitFile))
	if err != nil {
		t.Fatal(err)
	}
	unit := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[name] = value
		}
	}
	if !strings.HasPrefix(unit["ExecStart"], "/usr/bin/klamm ") {
		t.Fatal(fmt.Sprint(unit))
	}
	return unit
}

// environmentFile gives the variables of the unit's EnvironmentFile, which systemd reads as root.
func environmentFile(t *testing.T, j *jail, unit map[string]string) (env []string) {
	t.Helper()
	text, err := os.ReadFile(j.path(strings.TrimPrefix(unit["EnvironmentFile"], "-")))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			env = append(env, line)
		}
	}
	return env
}
