package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"klamm/compat-tests/harness"
)

// jail is a directory that programs take for the root of all files.
type jail struct {
	t    *testing.T
	root string
}

// newJail gives a jail on a file system in memory, with /proc and /dev. With the lower directory it has all that is in there; what programs
// change is seen in the jail alone.
func newJail(t *testing.T, lower string) *jail {
	t.Helper()
	if !everybodysRoot(t) {
		t.Fatal("files of several users are installed here: run this test as root")
	}
	memory := t.TempDir()
	harness.MountMemory(t, memory, 1<<30)
	j := &jail{t, filepath.Join(memory, "root")}
	for _, dir := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(memory, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if lower != "" {
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, filepath.Join(memory, "upper"), filepath.Join(memory, "work"))
		j.mount("overlay", "", "overlay", 0, options)
	}
	return j
}

// everybodysRoot says whether this process may act as any user. Root of a user namespace with one user may not.
func everybodysRoot(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/uid_map") // lines of: first user here, first user outside, how many
	if err != nil {
		t.Fatal(err)
	}
	users := 0
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 {
			n, _ := strconv.Atoi(f[2])
			users += n
		}
	}
	return os.Getuid() == 0 && users > 1
}

// mount mounts something in the jail until the test ends.
func (j *jail) mount(source, at, kind string, flags uintptr, options string) {
	j.t.Helper()
	to := filepath.Join(j.root, at)
	if err := os.MkdirAll(to, 0o755); err != nil {
		j.t.Fatal(err)
	}
	if err := unix.Mount(source, to, kind, flags, options); err != nil {
		j.t.Fatalf("mounting %s: %v", to, err)
	}
	j.t.Cleanup(func() { harness.UnmountAll(to) })
}

// system gives the jail what every system has.
func (j *jail) system() {
	j.t.Helper()
	j.mount("/proc", "proc", "", unix.MS_BIND|unix.MS_REC, "")
	j.mount("/dev", "dev", "", unix.MS_BIND|unix.MS_REC, "")
	j.mount("tmpfs", "tmp", "tmpfs", 0, "mode=1777")
}

// path is that of a file of the jail outside of it.
func (j *jail) path(inside string) string { return filepath.Join(j.root, inside) }

// user is who runs a program.
type user struct{ uid, gid uint32 }

// command gives a command of the jail. A user who is root, and each process that the command starts, ends with it.
func (j *jail) command(as user, env []string, name string, args ...string) *exec.Cmd {
	cmd := &exec.Cmd{Path: name, Args: append([]string{name}, args...), Dir: "/", Env: env}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: j.root, Credential: &syscall.Credential{Uid: as.uid, Gid: as.gid}, Cloneflags: syscall.CLONE_NEWPID}
	return cmd
}

// run runs a shell's command as root and gives what it prints.
func (j *jail) run(script string) string {
	j.t.Helper()
	out, err := j.try(script)
	if err != nil {
		j.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// try is run for a command that may fail.
func (j *jail) try(script string) (string, error) {
	cmd := j.command(user{}, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}, "/bin/sh", "-c", script)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// stat gives who owns a file of the jail, and its mode.
func (j *jail) stat(path string) (owner user, mode os.FileMode) {
	j.t.Helper()
	info, err := os.Lstat(j.path(path))
	if err != nil {
		j.t.Fatal(err)
	}
	s := info.Sys().(*syscall.Stat_t)
	return user{s.Uid, s.Gid}, info.Mode()
}

// account finds a user in the jail's /etc/passwd.
func (j *jail) account(name string) user {
	j.t.Helper()
	text, err := os.ReadFile(j.path("/etc/passwd"))
	if err != nil {
		j.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(line, ":"); f[0] == name && len(f) > 3 {
			uid, err := strconv.ParseUint(f[2], 10, 32)
			gid, err2 := strconv.ParseUint(f[3], 10, 32)
			if err != nil || err2 != nil {
				j.t.Fatal(line, err, err2)
			}
			return user{uint32(uid), uint32(gid)}
		}
	}
	j.t.Fatalf("there is no user %s", name)
	return user{}
}

func (j *jail) exists(path string) bool {
	_, err := os.Lstat(j.path(path))
	return err == nil
}
