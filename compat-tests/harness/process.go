package harness

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child that dies with the test process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the child is reaped
}

type spawnOptions struct {
	name string
	args []string
	env  []string // added to the environment
	dir  string   // working directory
	out  string   // file that gets stdout and stderr, appended
	host *host    // of a [Network]; nil for where the tests are
}

// spawn starts a child whose output goes to a file.
func spawn(o spawnOptions) (*process, error) {
	out, err := os.OpenFile(o.out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(o.name, o.args...)
	cmd.Dir = o.dir
	cmd.Env = append(environment(), o.env...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := startChild(cmd, o.host); err != nil {
		return nil, fmt.Errorf("harness: starting %s: %w", o.name, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the exit code is read from ProcessState
		close(p.done)
	}()
	return p, nil
}

// environment gives this process' environment without the variables that klamm would read as settings:
// KLAMM_BROKER begins as they do, but is for the harness.
func environment() []string {
	return inUTF8(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "KLAMM_") }))
}

// inUTF8 adds the locale in which a JVM reads and writes UTF-8. In a machine without a locale it would print a question mark for each
// other letter.
func inUTF8(env []string) []string { return append(env, "LC_ALL=C.UTF-8") }

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// wait gives the exit code, 128+n for a death by signal n as a shell has it.
func (p *process) wait(within time.Duration) (int, error) {
	select {
	case <-p.done:
	case <-time.After(within):
		return 0, fmt.Errorf("process %d still runs after %s", p.cmd.Process.Pid, within)
	}
	ws := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// ended says whether the child is gone.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// StartChild starts a program of a test's own, whose pipes the test holds. It is killed when the test process ends, however that ends.
func StartChild(cmd *exec.Cmd) error { return startChild(cmd, nil) }

// startChild starts cmd so that the kernel kills it when this process dies,
// however it dies. The kernel watches the thread that forked, so all children
// are forked by one thread that lives as long as the process does.
func startChild(cmd *exec.Cmd, on *host) error {
	spawnerOnce.Do(func() {
		go func() {
			runtime.LockOSThread()
			for job := range spawner {
				job.err <- job.host.on(job.cmd.Start)
			}
		}()
	})
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	endWithParent(cmd.SysProcAttr)
	job := spawnJob{cmd: cmd, host: on, err: make(chan error)}
	spawner <- job
	return <-job.err
}

type spawnJob struct {
	cmd  *exec.Cmd
	host *host
	err  chan error
}

var (
	spawnerOnce sync.Once
	spawner     = make(chan spawnJob)
)
