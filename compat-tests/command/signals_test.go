package command

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

// within bounds what a test waits for from a process.
const within = time.Minute

// takeSignals lets children have signals that this process was started with ignored, as a shell's background jobs are: those are
// inherited otherwise, and klamm goes on ignoring them.
var takeSignals = sync.OnceFunc(func() {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
})

// running is a klamm whose stdout and stderr a test has in its hands.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	logDir string
	done   chan error
}

// runWith starts klamm with stdout and stderr, in a shell's words before its name if there are any, and waits until it serves.
func runWith(t *testing.T, stdout, stderr *os.File, before ...string) *running {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, addr: fmt.Sprintf("127.0.0.1:%d", port), logDir: filepath.Join(dir, "data"), done: make(chan error, 1)}
	args := append(before, binary, "--set", "listeners=PLAINTEXT://"+r.addr, "--set", "log.dirs="+r.logDir)
	takeSignals()
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Dir, r.cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	r.cmd.Stdout, r.cmd.Stderr = stdout, stderr
	if stderr == nil { // closed, not /dev/null: the shell does that
		r.cmd.Args = append([]string{"sh", "-c", `exec "$@" >&- 2>&-`, "sh"}, args...)
		r.cmd.Path, err = exec.LookPath("sh")
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.done <- r.cmd.Wait() }()
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); _ = stderr.Close(); _ = stdout.Close() })
	r.serves()
	return r
}

// serves waits until the broker answers.
func (r *running) serves() {
	r.t.Helper()
	for end := time.Now().Add(within); ; {
		if nc, err := net.DialTimeout("tcp", r.addr, time.Second); err == nil {
			_ = nc.Close()
			break
		}
		select {
		case err := <-r.done:
			r.t.Fatalf("klamm ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			r.t.Fatal("klamm does not listen")
		}
	}
	harness.Topic(r.t, r.addr, 1)
}

func (r *running) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// stopped waits for the end, which has to be a clean one.
func (r *running) stopped() {
	r.t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("klamm ended with %v", err)
		}
	case <-time.After(within):
		r.t.Fatal("klamm still runs")
	}
	if _, err := os.Stat(filepath.Join(r.logDir, ".kafka_cleanshutdown")); err != nil {
		r.t.Errorf("the mark of a clean stop: %v", err)
	}
}

// refusedRequests sends so many things that klamm logs a line about.
func (r *running) refusedRequests(n int) {
	r.t.Helper()
	for range n {
		nc, err := net.Dial("tcp", r.addr)
		if err != nil {
			r.t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(within))
		_, _ = nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		if _, err := nc.Read(make([]byte, 1)); err != nil && os.IsTimeout(err) {
			r.t.Fatal("klamm does not close a connection that speaks HTTP")
		}
		_ = nc.Close()
	}
}

// file is a file of the test's to write a log to.
func file(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// text is what stands in a file.
func text(t *testing.T, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pipe is a pipe whose reader is closed, or stands still with its pipe full.
func pipe(t *testing.T, full bool) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if !full {
		_ = r.Close()
		return w
	}
	t.Cleanup(func() { _ = r.Close() })
	fd := int(w.Fd()) // it makes the pipe a blocking one, each time
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := syscall.Write(fd, make([]byte, 4096)); err != nil {
			break
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return w
}

// Each signal that asks a process to end ends klamm cleanly, whatever became of the reader of its log; and until then it serves.
func TestSignalsThatStop(t *testing.T) {
	for _, log := range []struct {
		name string
		open func(t *testing.T) *os.File
	}{
		{"a file", file},
		{"a pipe without a reader", func(t *testing.T) *os.File { return pipe(t, false) }},
		{"a pipe whose reader stands still", func(t *testing.T) *os.File { return pipe(t, true) }},
		{"a full disk", func(t *testing.T) *os.File {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}},
		{"closed", func(*testing.T) *os.File { return nil }},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			t.Run(log.name+" "+sig.String(), func(t *testing.T) {
				f := log.open(t)
				r := runWith(t, f, f)
				r.refusedRequests(20)
				r.signal(syscall.SIGPIPE)
				r.signal(syscall.SIGQUIT)
				r.serves()
				r.signal(sig)
				r.stopped()
				if log.name == "a file" && !strings.Contains(text(t, f), "stopped cleanly") {
					t.Errorf("the log does not end with the stop:\n%s", text(t, f))
				}
			})
		}
	}
}

// SIGQUIT writes the stacks of all goroutines, and klamm goes on; SIGUSR1 and SIGUSR2 mean nothing.
func TestSignalsThatDoNotStop(t *testing.T) {
	out, log := file(t), file(t)
	r := runWith(t, out, log)
	for _, c := range []struct {
		sig  syscall.Signal
		said string
	}{{syscall.SIGQUIT, "goroutine 1 ["}, {syscall.SIGUSR1, "signal=SIGUSR1"}, {syscall.SIGUSR2, "signal=SIGUSR2"}} {
		r.signal(c.sig)
		for end := time.Now().Add(within); !strings.Contains(text(t, log), c.said); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the log does not say %q", c.said)
			}
		}
	}
	r.serves()
	r.signal(syscall.SIGTERM)
	r.signal(syscall.SIGTERM) // a supervisor that repeats itself changes nothing
	r.stopped()
}

// A klamm that was started by nohup stays when its terminal goes.
func TestIgnoredHangup(t *testing.T) {
	out, log := file(t), file(t)
	r := runWith(t, out, log, "nohup")
	r.signal(syscall.SIGHUP)
	r.serves()
	r.signal(syscall.SIGTERM)
	r.stopped()
}

// --version names the version, the commit and Go's, and the first line of the log does so with the broker's id and its cluster's.
func TestVersion(t *testing.T) {
	said := klamm(t, t.TempDir(), nil, "--version")
	if ok, _ := regexp.MatchString(`^klamm \S+ \((commit [0-9a-f]{12}(-dirty)?, )?(of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, )?go1\.\d+\S*\)\n$`, said.stdout); said.code != 0 || !ok || said.stderr != "" {
		t.Errorf("exit code %d: %q %q", said.code, said.stdout, said.stderr)
	}
	b := harness.Start(t, harness.Options{})
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	meta, err := os.ReadFile(filepath.Join(b.LogDir, "meta.properties"))
	if err != nil {
		t.Fatal(err)
	}
	_, cluster, _ := bytes.Cut(meta, []byte("cluster.id="))
	cluster, _, _ = bytes.Cut(cluster, []byte("\n"))
	first := ""
	for line := range strings.Lines(b.Log()) {
		if strings.HasPrefix(line, "time=") {
			first = line
			break
		}
	}
	for _, want := range []string{"version=", "go=go1.", "broker_id=0", "cluster_id=" + string(cluster)} {
		if !strings.Contains(first, want) {
			t.Errorf("the first line does not say %q: %s", want, first)
		}
	}
}

// TestCtrlCEndsAStart: a start that waits for ZooKeeper ended with an error as if something had failed.
func TestCtrlCEndsAStart(t *testing.T) {
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	zookeeper, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	takeSignals()
	cmd := exec.Command(binary, "--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", "log.dirs="+t.TempDir(),
		"--set", fmt.Sprintf("zookeeper.connect=127.0.0.1:%d", zookeeper), "--set", "zookeeper.connection.timeout.ms=600000")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), "cannot connect to ZooKeeper") {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if last := said[len(said)-1]; err == nil || !strings.HasPrefix(last, "klamm: stopped before it had started: zookeeper.connect: ") {
		t.Errorf("ended with %v, and said:\n%s", err, strings.Join(said, "\n"))
	}
}
