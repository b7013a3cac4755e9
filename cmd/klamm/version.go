package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by `make build` (-ldflags -X main.version=...). If it is empty, thisBuild takes the version that the Go
// command wrote into the binary.
var version string

// build says from which sources the binary was built.
type build struct {
	version string // a tag, or the Go command's pseudo-version of a commit; "devel" when it is not known
	commit  string // the git commit, with "-dirty" when files were changed; "" when it is not known
	goes    string // the version of Go
}

// thisBuild reads the build information that the Go command wrote into the binary.
func thisBuild() build {
	b := build{version: version, goes: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if v := info.Main.Version; b.version == "" && v != "(devel)" {
		b.version = v
	}
	if b.version == "" {
		b.version = "devel"
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && b.commit != "" {
		b.commit += "-dirty"
	}
	return b
}

func (b build) String() string {
	if b.commit == "" {
		return fmt.Sprintf("%s (%s)", b.version, b.goes)
	}
	return fmt.Sprintf("%s (commit %s, %s)", b.version, b.commit, b.goes)
}
