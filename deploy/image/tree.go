package main

import (
	"io/fs"
	"path"
)

const (
	root    = 0
	appuser = 1000
)

// entry is a file, a directory or a link of the image.
type entry struct {
	path   string // without a slash in front
	mode   fs.FileMode
	uid    int
	source string // the file that it is a copy of
	link   string // where a symbolic link leads
}

// dir is a directory that everybody may read.
func dir(path string) entry { return entry{path: path, mode: fs.ModeDir | 0o755} }

// own is a directory that the broker writes to. It belongs to the broker's user, and to the group root, which may write there: some
// clusters run every container as a user of their own choice in that group.
func own(path string) entry { return entry{path: path, mode: fs.ModeDir | 0o775, uid: appuser} }

// applets are the programs of busybox that the image has: those that programs which start containers, and people who look into one, use.
var applets = []string{"[", "awk", "basename", "cat", "chmod", "cp", "cut", "date", "df", "dirname", "du", "echo", "env", "expr", "false", "find", "free", "grep", "head",
	"hostname", "id", "kill", "less", "ln", "ls", "mkdir", "mktemp", "mv", "nc", "netstat", "nproc", "nslookup", "ping", "printf", "ps", "pwd", "readlink", "realpath", "rm", "rmdir",
	"sed", "seq", "sh", "sleep", "sort", "stat", "tail", "tar", "tee", "test", "timeout", "top", "touch", "tr", "true", "uname", "uniq", "vi", "wc", "wget", "which", "whoami", "xargs"}

// base is what programs that start containers need besides klamm: a shell, bash, and the usual small programs.
func base(stage, files string) []entry {
	list := []entry{
		dir("bin"), dir("etc"), dir("home"), dir("opt"), dir("proc"), dir("root"), dir("sbin"), dir("sys"), dir("dev"), dir("usr"), dir("usr/bin"), dir("usr/sbin"),
		dir("usr/share"), dir("usr/share/doc"), dir("var"), dir("var/lib"), dir("mnt"),
		{path: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{path: "etc/passwd", mode: 0o644, source: path.Join(files, "passwd")},
		{path: "etc/group", mode: 0o644, source: path.Join(files, "group")},
		{path: "home/appuser", mode: fs.ModeDir | 0o775, uid: appuser},
		{path: "bin/busybox", mode: 0o755, source: path.Join(stage, "busybox")},
		{path: "bin/bash", mode: 0o755, source: path.Join(stage, "bash")},
		{path: "usr/bin/env", mode: 0o777 | fs.ModeSymlink, link: "/bin/busybox"},
	}
	for _, name := range applets {
		list = append(list, entry{path: "bin/" + name, mode: 0o777 | fs.ModeSymlink, link: "busybox"})
	}
	// Whoever passes these programs on passes on their licences, and where their sources are.
	for _, name := range []string{"busybox-static", "bash-static"} {
		list = append(list, dir("usr/share/doc/"+name), entry{path: "usr/share/doc/" + name + "/copyright", mode: 0o644, source: path.Join(stage, name+".copyright")})
	}
	return append(list, entry{path: "usr/share/doc/debian-packages.txt", mode: 0o644, source: path.Join(stage, "debian-packages.txt")})
}

// broker is klamm, its entry points and Kafka's scripts under the names that other images have, and the directories that their users mount.
func broker(stage, files string, scripts []string) []entry {
	list := []entry{
		{path: "usr/bin/klamm", mode: 0o755, source: path.Join(stage, "klamm")},
		dir("usr/share/doc/klamm"),
		{path: "usr/share/doc/klamm/copyright", mode: 0o644, source: path.Join(stage, "copyright")},
		own("etc/kafka"), own("etc/kafka/docker"), own("etc/kafka/secrets"), own("mnt/shared"), own("mnt/shared/config"),
		own("var/lib/kafka"), own("var/lib/kafka/data"), own("bitnami"), own("bitnami/kafka"), own("bitnami/kafka/data"),
		// Programs that start cp-kafka change the files here.
		own("etc/confluent"), own("etc/confluent/docker"),
		dir("opt/kafka"), dir("opt/kafka/bin"), dir("opt/bitnami"), dir("opt/bitnami/kafka"), dir("opt/bitnami/kafka/bin"), dir("opt/bitnami/scripts"), dir("opt/bitnami/scripts/kafka"),
	}
	script := func(at, name string, uid int) {
		list = append(list, entry{path: at, mode: 0o755, uid: uid, source: path.Join(files, name)})
	}
	script("etc/kafka/docker/run", "run", appuser)
	script("etc/confluent/docker/run", "run", appuser)
	script("etc/confluent/docker/launch", "run", appuser)
	script("etc/confluent/docker/configure", "configure", appuser)
	script("etc/confluent/docker/ensure", "configure", appuser)
	script("etc/confluent/docker/bash-config", "nothing", appuser)
	script("opt/bitnami/scripts/kafka/entrypoint.sh", "entrypoint", root)
	script("opt/bitnami/scripts/kafka/run.sh", "run", root)
	// apache/kafka, bitnami/kafka and cp-kafka have them at these places.
	for _, name := range scripts {
		for _, at := range []string{"opt/kafka/bin/" + name + ".sh", "opt/bitnami/kafka/bin/" + name + ".sh", "usr/bin/" + name} {
			list = append(list, entry{path: at, mode: 0o777 | fs.ModeSymlink, link: "/usr/bin/klamm"})
		}
	}
	return list
}
