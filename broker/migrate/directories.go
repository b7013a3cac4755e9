package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"klamm/broker/migrate/size"
	"klamm/cluster/meta/local"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
)

// disk is the real one: what is looked at belongs to a broker that ran here.
var disk vfs.OS

// readDirectories reads the log directories, and takes the ids of the broker and the cluster from them where the configuration has none.
func (c *checker) readDirectories() {
	for _, path := range c.Config.LogDirs() {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		d := dirLook{path: path}
		c.readDirectory(&d)
		c.dirs = append(c.dirs, d)
	}
}

// readDirectory reads one directory.
func (c *checker) readDirectory(d *dirLook) {
	where := []string{d.path}
	info, err := disk.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.add(Finding{Severity: Info, Area: Directories, Where: where, Found: "the directory does not exist, and klamm would make it",
			Do: "see whether log.dirs is right and the disk is mounted"})
		return
	case err != nil:
		c.unusable(d, err)
		return
	case !info.IsDir():
		c.unusable(d, errors.New("it is not a directory"))
		return
	}
	d.exists = true
	d.meta, err = logstore.ReadMetaProperties(disk, d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.meta.BrokerID = logstore.NoBrokerID
		c.add(Finding{Severity: Info, Area: Directories, Where: where, Found: "there is no meta.properties: no broker has run here",
			Do: "see whether log.dirs is right and the disk is mounted"})
	case err != nil:
		d.meta.BrokerID = logstore.NoBrokerID
		f := Finding{Severity: Refuses, Area: Directories, Where: where, Found: err.Error()}
		if wrong := new(logstore.MetaPropertiesError); errors.As(err, &wrong) && wrong.Key == "version" {
			f.Found, f.Do = wrong.Path+": version: "+wrong.Err.Error(), "version 1 is that of a broker in KRaft, which klamm cannot replace"
		}
		c.add(f)
	default:
		c.compareIDs(d)
	}
	if d.logs, d.others, err = logstore.LookAtLogs(disk, d.path); err != nil {
		c.unusable(d, err)
		return
	}
	d.read = true
}

// unusable notes a directory that klamm could not use. It does not start when it can use none.
func (c *checker) unusable(d *dirLook, err error) {
	severity := Differs
	if len(c.Config.LogDirs()) == 1 {
		severity = Refuses
	}
	c.add(Finding{Severity: severity, Area: Directories, Where: []string{d.path}, Found: "klamm cannot use the directory, and would take it offline: " + err.Error(),
		Do: "run klamm as the user of the broker that it replaces, and this command as the same"})
}

// compareIDs compares meta.properties with the configuration and with the other directories.
func (c *checker) compareIDs(d *dirLook) {
	where := []string{filepath.Join(d.path, "meta.properties")}
	switch id := d.meta.BrokerID; {
	case id == logstore.NoBrokerID:
	case c.Broker == logstore.NoBrokerID:
		c.Broker = id
	case c.Broker != id:
		c.add(Finding{Severity: Refuses, Area: Directories, Where: where, Found: fmt.Sprintf("the directory is broker %d's, and this broker is %d", id, c.Broker),
			Do: "see whether broker.id and log.dirs are those of this broker"})
	}
	switch id := d.meta.ClusterID; {
	case id == "":
	case c.Cluster == "":
		c.Cluster = id
	case c.Cluster != id:
		c.add(Finding{Severity: Refuses, Area: Directories, Where: where, Found: fmt.Sprintf("the directory is of cluster %s, and another one of cluster %s", id, c.Cluster),
			Do: "see whether log.dirs names directories of one broker alone"})
	}
}

// checkDirectories judges what is in the directories, beside the tree where that is known.
func (c *checker) checkDirectories() {
	own := map[protocol.TopicPartition]replica{}
	for _, r := range c.own() {
		own[r.tp] = r
	}
	var at []string
	logs, segments := 0, 0
	there := map[protocol.TopicPartition]bool{}
	all := true
	for i := range c.dirs {
		d := &c.dirs[i]
		at = append(at, c.checkDirectory(d))
		all = all && d.read
		for j := range d.logs {
			l := &d.logs[j]
			c.checkLog(l)
			if l.Kind != logstore.DirLive {
				continue
			}
			logs, segments = logs+1, segments+l.Segments
			there[l.Partition] = true
			c.compareLog(l, own)
		}
	}
	if c.tree.read && all {
		c.findMissing(there)
	}
	if held := func(d dirLook) bool { return d.held }; c.tree.registered != "" && !slices.ContainsFunc(c.dirs, held) {
		c.add(Finding{Severity: Differs, Area: Directories, Where: c.Config.LogDirs(),
			Found: fmt.Sprintf("the broker runs, since it is registered (%s), and it uses none of these directories: this is not its machine, or log.dirs is not what it runs with", c.tree.registered),
			Do:    "run the command on the broker's machine with the file that it was started with; if it was killed a moment ago, run it again when its session has ended"})
	}
	if logs > c.OpenFiles {
		c.add(Finding{Severity: Info, Area: Directories, Where: []string{"limit of open files"},
			Found: fmt.Sprintf("there are %d logs with %d segments, and klamm would keep %d of their files open: it opens and closes files all the time", logs, segments, c.OpenFiles),
			Do:    "raise the limit of the process (LimitNOFILE= in a unit of systemd) to five times the number of logs"})
	}
	c.looked(Directories, strings.Join(at, ", "), nil)
}

// checkDirectory judges a directory as a whole, and describes it.
func (c *checker) checkDirectory(d *dirLook) string {
	if !d.exists {
		return d.path
	}
	lock := logstore.LockFile(d.path)
	switch held, err := disk.Locked(lock); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.held = true
		c.add(Finding{Severity: Differs, Area: Directories, Where: []string{lock}, Found: err.Error(), Do: "let the user of klamm read and write the file"})
	case held:
		d.held = true
		c.add(Finding{Severity: Info, Area: Directories, Where: []string{d.path}, Found: "a broker runs on the directory: it holds the lock",
			Do: "stop it before klamm starts"})
	}
	if err := c.Access(d.path); err != nil {
		c.unusable(d, err)
	}
	c.checkAccess(logstore.ControlFiles(disk, d.path))
	alone := filepath.Join(d.path, local.FileName)
	if _, err := disk.Stat(alone); err == nil && c.Config.ZooKeeper() != nil {
		c.add(Finding{Severity: Refuses, Area: Directories, Where: []string{alone}, Found: "klamm ran alone on the directory, and its metadata tree is in that file, not in ZooKeeper",
			Do: "move the file away if the broker is to go by what ZooKeeper has"})
	}
	for _, name := range d.others {
		switch name {
		case "remote-log-index-cache":
			c.add(Finding{Severity: Differs, Area: Directories, Where: []string{filepath.Join(d.path, name)},
				Found: "tiered storage was used here, and klamm has none: it does not find the records that are in remote storage alone",
				Do:    "see whether a topic still has remote.storage.enable=true, and remove the directory if none has"})
		default:
			c.add(Finding{Severity: Info, Area: Directories, Where: []string{filepath.Join(d.path, name)}, Found: "the directory is not a partition's; every broker passes over it"})
		}
	}
	var bytes int64
	segments := 0
	for i := range d.logs {
		bytes, segments = bytes+d.logs[i].Bytes, segments+d.logs[i].Segments
	}
	text := fmt.Sprintf("%s (%d logs, %d segments, %s", d.path, len(d.logs), segments, size.Text(bytes))
	if _, usable, err := disk.Space(d.path); err == nil {
		text += ", " + size.Text(usable) + " free"
		if usable < leastFree {
			c.add(Finding{Severity: Info, Area: Directories, Where: []string{d.path}, Found: "there is " + size.Text(usable) + " of room left: klamm refuses records on a full disk",
				Do: "make room"})
		}
	}
	return text + ")"
}

// leastFree is how much room a start needs without doubt: for indexes, checkpoints and the reserve.
const leastFree = 64 << 20

// checkAccess notes files that this user may not read and write.
func (c *checker) checkAccess(files []string) {
	for _, path := range files {
		if err := c.Access(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.add(Finding{Severity: Differs, Area: Directories, Where: []string{path}, Found: "this user may not read and write the file: " + reason(err),
				Do: "run klamm as the user of the broker that it replaces, and this command as the same"})
		}
	}
}

// access asks the system whether this process may read and write a file, or use a directory.
func access(path string) error {
	mode := uint32(unix.R_OK | unix.W_OK)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		mode |= unix.X_OK
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "access", Path: path, Err: err}
	}
	return nil
}

// reason takes the path out of an error that names it.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// checkLog judges one log by its files alone.
func (c *checker) checkLog(l *logstore.LogLook) {
	if l.Kind == logstore.DirDeleted {
		return
	}
	where := []string{l.Path}
	c.checkAccess(append([]string{l.Path}, l.Files...))
	for _, err := range l.Problems {
		c.add(Finding{Severity: Differs, Area: Directories, Where: where, Found: err.Error(), Do: "see whether the disk is well: klamm does not serve what it cannot read"})
	}
	if l.OldFormat > 0 {
		c.add(Finding{Severity: Info, Area: Directories, Where: where, Found: "there are messages of a format before 0.11 (magic 0 or 1), which klamm serves"})
	}
	if l.OpenTransactions > 0 {
		c.add(Finding{Severity: Differs, Area: Directories, Where: where,
			Found: "a transaction was open at the last snapshot, and at a broker of klamm nobody could end it: consumers with read_committed would wait there for ever",
			Do:    "end it first: kafka-transactions.sh find-hanging, and abort"})
	} else if l.Transactional {
		c.add(Finding{Severity: Info, Area: Directories, Where: where, Found: "there are records of transactions, which klamm serves"})
	}
	if l.Ancient {
		c.add(Finding{Severity: Info, Area: Directories, Where: where, Found: "there are files of Kafka 0.7 (.kafka), which no broker since reads"})
	}
	switch l.Kind {
	case logstore.DirStray:
		c.add(Finding{Severity: Info, Area: Directories, Where: where, Found: "it is a stray replica, which Apache Kafka has set aside; klamm leaves it alone"})
	case logstore.DirFuture:
		c.add(Finding{Severity: Info, Area: Directories, Where: where, Found: "a replica was on its way to this directory (kafka-reassign-partitions.sh, log dirs)",
			Do: "wait until it is there; klamm would begin anew"})
	}
}

// compareLog compares a log with the tree.
func (c *checker) compareLog(l *logstore.LogLook, own map[protocol.TopicPartition]replica) {
	if !c.tree.read {
		return
	}
	topic := c.tree.topics[l.Partition.Topic]
	_, assigned := own[l.Partition]
	switch {
	case topic == nil:
		c.add(Finding{Severity: Info, Area: Directories, Where: []string{l.Path}, Found: "the tree has no such topic: the replica is stray, and no broker serves it",
			Do: "remove it if the topic is not missed"})
	case !topic.ID.IsZero() && !l.TopicID.IsZero() && topic.ID != l.TopicID:
		c.add(Finding{Severity: Differs, Area: Directories, Where: []string{l.Path}, Do: "move the directory away if the topic was made anew; the replica then comes from its leader",
			Found: fmt.Sprintf("partition.metadata has the topic id %s and the tree %s: the log is of another topic of this name, and no broker serves it", l.TopicID, topic.ID)})
	case !assigned:
		c.add(Finding{Severity: Info, Area: Directories, Where: []string{l.Path}, Found: "the partition is assigned to other brokers: the replica is stray, and no broker serves it",
			Do: "remove it if the partition has all of its replicas"})
	}
}

// findMissing finds replicas of this broker that are in none of its directories.
func (c *checker) findMissing(there map[protocol.TopicPartition]bool) {
	for _, r := range c.own() {
		if there[r.tp] {
			continue
		}
		state, known := c.tree.states[r.tp]
		if !known {
			continue // nothing was ever written
		}
		if slices.Equal(state.ISR, []int32{c.Broker}) {
			// LogManager.getOrCreateLog makes the log unless a directory is offline, too.
			c.add(Finding{Severity: Info, Area: Directories, Where: []string{r.tp.String()},
				Found: "this broker is the only replica in sync, and the log is in none of its directories: every broker that starts on them, Apache Kafka's as well, leads an empty log",
				Do:    "start none before you know whether log.dirs is right and all disks are mounted: what the partition had is lost then"})
			continue
		}
		c.add(Finding{Severity: Info, Area: Directories, Where: []string{r.tp.String()}, Found: "the replica is in none of the directories, and would come from its leader",
			Do: "see whether log.dirs is right and all disks are mounted"})
	}
}
