package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// deploy/build.sh sets these (-ldflags -X main.version=...). Where they are empty, thisBuild takes what the Go command wrote into the
// binary.
var (
	version   string // a tag, or the commit
	commit    string // as build.commit
	committed string // as build.committed
)

// build says from which sources the binary was built.
type build struct {
	version   string // a tag, or the Go command's pseudo-version of a commit; "devel" when it is not known
	commit    string // the git commit, with "-dirty" when files were changed; "" when it is not known
	committed string // the time of the commit in UTC, 2006-01-02T15:04:05Z; "" when it is not known
	goes      string // the version of Go
}

// thisBuild reads what deploy/build.sh or the Go command wrote into the binary.
func thisBuild() build {
	b := build{version: version, commit: commit, committed: committed, goes: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if v := info.Main.Version; v != "(devel)" {
		b.version = cmp.Or(b.version, v)
	}
	b.version = cmp.Or(b.version, "devel")
	if b.commit != "" {
		return b
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value[:min(12, len(s.Value))]
		case "vcs.time":
			b.committed = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && b.commit != "" {
		b.commit += "-dirty"
	}
	return b
}

// String gives the build in one line.
func (b build) String() string {
	var parts []string
	if b.commit != "" {
		parts = append(parts, "commit "+b.commit)
	}
	if b.committed != "" {
		parts = append(parts, "of "+b.committed)
	}
	return fmt.Sprintf("%s (%s)", b.version, strings.Join(append(parts, b.goes), ", "))
}
