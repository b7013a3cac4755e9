package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// listDirEnv names the directory where each JVM leaves a list of the classes that it loaded.
const listDirEnv = "KLAMM_CLASS_LISTS"

var lists atomic.Int64 // how many lists this process has asked for

func archivePath(version string) string { return filepath.Join(releaseDir(version), "classes.jsa") }

// classArchive are the options that have a JVM map a release's classes from the
// archive instead of reading and checking them one by one from the jars. Starting
// a broker takes 40 % less CPU that way, and so does each tool. A JVM goes on
// without an archive that is missing or was made with other jars.
func classArchive(version string) []string {
	if dir := os.Getenv(listDirEnv); dir != "" {
		return []string{fmt.Sprintf("-XX:DumpLoadedClassList=%s/%s-%d-%d.classlist", dir, version, os.Getpid(), lists.Add(1))}
	}
	if _, err := os.Stat(archivePath(version)); err != nil {
		return nil
	}
	return []string{"-XX:SharedArchiveFile=" + archivePath(version)}
}

// ArchiveClasses runs work, which starts brokers and tools of Apache Kafka, and
// archives the classes that they load, by release (JEP 310). Brokers and tools
// that start later map them.
func ArchiveClasses(work func() error) error {
	dir, err := os.MkdirTemp("", "klamm-classes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(listDirEnv, dir); err != nil {
		return err
	}
	err = work()
	if err = errors.Join(err, os.Unsetenv(listDirEnv)); err != nil {
		return err
	}
	for _, version := range []string{Kafka39, KafkaNewest} {
		list, err := classList(dir, version)
		if err != nil {
			return err
		}
		if err := dumpArchive(version, list); err != nil {
			return err
		}
	}
	return nil
}

// classList puts the lists of one release together and gives the file's name.
func classList(dir, version string) (string, error) {
	names, err := filepath.Glob(filepath.Join(dir, version+"-*.classlist"))
	if err != nil {
		return "", err
	}
	var all []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				all = append(all, line)
			}
		}
	}
	if len(all) == 0 {
		return "", fmt.Errorf("harness: no JVM of Apache Kafka %s left a list of its classes in %s", version, dir)
	}
	slices.Sort(all)
	name := filepath.Join(dir, version+".all")
	return name, os.WriteFile(name, []byte(strings.Join(slices.Compact(all), "")), 0o644)
}

// dumpArchive makes a release's archive. The archive gets its name last, so that an unfinished one is made
// again.
func dumpArchive(version, list string) error {
	java, err := javaPath()
	if err != nil {
		return err
	}
	cp, err := classpath(version)
	if err != nil {
		return err
	}
	temporary := archivePath(version) + ".new"
	// The collector is the one that the tests use: an archive holds objects as it lays them out.
	cmd := exec.Command(java, "-Xshare:dump", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:SharedClassListFile="+list, "-XX:SharedArchiveFile="+temporary, "-cp", cp)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("harness: java -Xshare:dump for Apache Kafka %s: %w\n%s", version, err, out.String())
	}
	return os.Rename(temporary, archivePath(version))
}
