package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside is set in the process that has the namespaces.
const inside = "KLAMM_TEST_NAMESPACE"

// MainInNamespaces is what a package's TestMain calls, in the place of [testing.M.Run], to have its tests run in a second process with a mount
// namespace and a network namespace of its own, so that nothing that the tests mount or connect is seen outside or outlives them. It takes root or a
// kernel that lets everybody have user namespaces; where there is neither the tests fail. It gives the exit code for os.Exit.
func MainInNamespaces(m *testing.M) int {
	if os.Getenv(inside) != "" {
		// Mounts of this namespace must not propagate to the namespace that it came from.
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), loopbackUp()); err != nil {
			fmt.Fprintf(os.Stderr, "this process' namespaces cannot be made its own: %v\n", err)
			return 1
		}
		return m.Run()
	}
	if !Reference() {
		if _, err := KlammBinary(); err != nil { // which may take modules from the network
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	runtime.LockOSThread() // the child ends with the thread that forked it
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	// A signal that ends this process ends the other one, too: go test's own time limit
	// sends SIGQUIT.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGINT)
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "no namespaces: %v; run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)\n", err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// loopbackUp has the network namespace of this thread answer on 127.0.0.1.
func loopbackUp() error { return setUp("lo") }

// setUp starts a network device of this thread's namespace.
func setUp(device string) error {
	return device4(device, unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error {
		r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		return nil
	})
}

// device4 asks the kernel to change something about a network device of this thread's namespace.
func device4(device string, change uint, fill func(*unix.Ifreq) error) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq(device)
	if err == nil {
		err = fill(r)
	}
	if err == nil {
		err = unix.IoctlIfreq(s, change, r)
	}
	if err != nil {
		return fmt.Errorf("the network device %s: %w", device, err)
	}
	return nil
}
