package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"klamm/broker/migrate/size"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/server/config"
)

// What is too little. A broker keeps two fifths of its open files for segments and needs one for each connection.
const (
	fewFiles       = 10_000
	tooFewFiles    = 1024
	littleRoom     = 0.15 // of a disk
	tooLittleRoom  = 0.05
	littleInodes   = 0.10
	tooFewInodes   = 0.02
	perFileSegment = 2 // mappings that Apache's broker makes of a segment: its two indexes
)

// Local looks at the machine of a broker with its configuration, which errs and warnings are about.
func (r *Report) Local(ctx context.Context, cfg *config.Broker, warnings []config.Warning, errs config.LoadErrors) {
	warnings = slices.DeleteFunc(slices.Clone(warnings), func(w config.Warning) bool { return w.Idle != "" }) // these change nothing
	switch {
	case len(errs) > 0:
		r.trouble("configuration", "", "klamm config check says all of it", "no broker starts with it: %v", errs[0])
	case len(warnings) > 0:
		r.warn("configuration", "", "klamm config check says what", "a broker starts with it, with %d warnings", len(warnings))
	default:
		r.ok("configuration", "", "a broker starts with it, without a warning")
	}
	runs := r.directories(cfg.LogDirs())
	r.advertised(ctx, cfg, runs)
	r.limits(cfg.LogDirs())
	r.clock()
	if cfg.ZooKeeper() != nil && len(errs) == 0 {
		r.zookeeper(ctx, cfg)
	}
}

// advertised checks the addresses that clients and brokers will be told.
func (r *Report) advertised(ctx context.Context, cfg *config.Broker, runs bool) {
	const name = "advertised"
	for _, l := range cfg.Advertised() {
		about := l.String()
		if l.Host == "" {
			r.ok(name, about, "each client is told the address that its own connection came in on")
			continue
		}
		if l.Port == 0 {
			r.ok(name, about, "clients are told the port that the listener gets")
			continue
		}
		address := net.JoinHostPort(l.Host, strconv.Itoa(l.Port))
		ips, resolve, refused := reach(ctx, address)
		switch {
		case resolve != nil:
			r.trouble(name, about, "set advertised.listeners to a name that this machine and its clients resolve", "clients will be told this address, and it does not resolve here: %v", resolve)
		case loopback(address) && (cfg.ZooKeeper() != nil || openElsewhere(cfg)):
			r.warn(name, about, "set advertised.listeners to an address that other machines reach, if clients or brokers are there", "clients on other machines will be told to connect to themselves")
		case refused != nil && runs:
			r.trouble(name, about, "see that the address is one of this machine, or leads to it, and that no firewall is between", "clients are told this address, and it cannot be reached from here (%s): %v",
				strings.Join(ips, ", "), refused)
		case refused != nil:
			r.unknown(name, about, "clients will be told this address (%s); no broker runs that could answer", strings.Join(ips, ", "))
		default:
			r.ok(name, about, "clients are told this address, and it connects (%s)", strings.Join(ips, ", "))
		}
	}
}

// openElsewhere says whether a listener is open to other machines.
func openElsewhere(cfg *config.Broker) bool {
	for _, l := range cfg.Listeners() {
		if !loopback(net.JoinHostPort(l.Host, strconv.Itoa(l.Port))) {
			return true
		}
	}
	return false
}

// directories checks the disks. It says whether a broker runs that uses them.
func (r *Report) directories(dirs []string) (runs bool) {
	for _, dir := range dirs {
		at := existing(dir)
		if held, err := (vfs.OS{}).Locked(logstore.LockFile(dir)); err == nil && held {
			runs = true
		}
		if at == "" || unix.Access(at, unix.W_OK) != nil {
			r.trouble("log directory", dir, "make it, and let the broker's user write in it", "the directory cannot be written")
			continue
		}
		var s unix.Statfs_t
		if err := unix.Statfs(at, &s); err != nil {
			r.unknown("disk", dir, "the system does not tell its size: %v", err)
			continue
		}
		total, free := int64(s.Blocks)*int64(s.Bsize), int64(s.Bavail)*int64(s.Bsize)
		r.room("disk", dir, fmt.Sprintf("%s of %s are free", size.Text(free), size.Text(total)), share(free, total), littleRoom, tooLittleRoom,
			"make room: shorten retention, or move replicas to another broker or directory")
		if s.Files > 0 {
			r.room("inodes", dir, fmt.Sprintf("%d of %d are free", s.Ffree, s.Files), share(int64(s.Ffree), int64(s.Files)), littleInodes, tooFewInodes,
				"remove files, or use a file system with more inodes: each segment takes three")
		}
	}
	return runs
}

// share is what part is of a whole.
func share(part, whole int64) float64 {
	if whole <= 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// room judges how much of something is left.
func (r *Report) room(name, about, what string, left, little, tooLittle float64, do string) {
	switch {
	case left < tooLittle:
		r.trouble(name, about, do, "%s", what)
	case left < little:
		r.warn(name, about, do, "%s", what)
	default:
		r.ok(name, about, "%s", what)
	}
}

// existing is the directory, or the nearest one above it that exists, in which a broker would make it.
func existing(dir string) string {
	dir, err := filepath.Abs(dir)
	for err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return ""
		}
		dir, err = filepath.Dir(dir), nil
	}
	return ""
}

// limits checks what the system allows the broker.
func (r *Report) limits(dirs []string) {
	var files unix.Rlimit
	switch err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); {
	case err != nil:
		r.unknown("open files", "", "the system does not tell the limit: %v", err)
	case files.Max < tooFewFiles:
		r.trouble("open files", "", "raise it for the broker's user (LimitNOFILE=100000 in the unit)", "this shell may open %d files", files.Max)
	case files.Max < fewFiles:
		r.warn("open files", "", "raise it for the broker's user (LimitNOFILE=100000 in the unit)", "this shell may open %d files", files.Max)
	default:
		r.ok("open files", "", "this shell may open %d files; a unit has a limit of its own", files.Max)
	}
	if runtime.GOOS != "linux" {
		return
	}
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	most, perr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err = errors.Join(err, perr); err != nil {
		r.unknown("vm.max_map_count", "", "the system does not tell it: %v", err)
		return
	}
	segments := 0
	for _, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "*", "*.log")) // the pattern is good
		segments += len(found)
	}
	if segments*perFileSegment > most {
		r.warn("vm.max_map_count", "", "raise it with sysctl before you go back to Apache Kafka", "it is %d, and Apache's broker would map %d files of these directories; klamm maps none", most, segments*perFileSegment)
		return
	}
	r.ok("vm.max_map_count", "", "it is %d; klamm maps no file, and Apache's broker would map %d", most, segments*perFileSegment)
}
