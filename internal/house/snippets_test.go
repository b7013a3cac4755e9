package house

import (
	"fmt"
	"strings"
	"testing"
)

// source parses a snippet as a file of the module.
func source(t *testing.T, path, text string) []*file {
	t.Helper()
	f, err := parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return []*file{f}
}

// TestEachRuleFindsABadSnippet shows each rule a bad snippet, which the rule has to find,
// and a good one next to it, which the rule has to leave alone.
func TestEachRuleFindsABadSnippet(t *testing.T) {
	for _, c := range []struct {
		rule       string
		check      func([]*file) []string
		path, text string
		bad        bool
	}{
		{"imports", imports, "protocol/a.go", `package protocol; import _ "klamm/logstore"`, true},
		{"imports", imports, "logstore/a.go", `package logstore; import _ "klamm/server/config"`, true},
		{"imports", imports, "groupcoord/a.go", `package groupcoord; import _ "klamm/logstore"`, true},
		{"imports", imports, "compat-tests/kcat/a.go", `package kcat; import _ "klamm/server"`, true},
		{"imports", imports, "shed/a.go", `package shed`, true},
		{"imports", imports, "server/a.go", `package server; import _ "klamm/cluster/meta"`, false},
		{"imports", imports, "logstore/vfs/a.go", `package vfs; import _ "klamm/protocol"`, false},
		{"imports", imports, "server/transport/a.go", `package transport; import _ "klamm/server/config"`, true},
		{"imports", imports, "server/transport/a.go", `package transport; import _ "klamm/cluster/replica"`, true},
		{"imports", imports, "server/data/a.go", `package data; import _ "klamm/server/admin"`, true},
		{"imports", imports, "server/data/a.go", `package data; import _ "klamm/server"`, true},
		{"imports", imports, "server/request/a.go", `package request; import _ "klamm/server/data"`, true},
		{"imports", imports, "cluster/controller/a.go", `package controller; import _ "klamm/cluster/replica"`, true},
		{"imports", imports, "cluster/meta/local/a.go", `package local; import _ "klamm/cluster/znode"`, true},
		{"imports", imports, "server/a.go", `package server; import _ "klamm/broker"`, true},
		{"imports", imports, "server/data/a.go", `package data; import _ "klamm/server/codes"`, false},
		{"imports", imports, "server/data/a.go", `package data; import _ "klamm/cluster/replica"`, false},
		{"imports", imports, "cluster/meta/metatest/a.go", `package metatest; import _ "klamm/cluster/meta"`, false},
		{"imports", imports, "broker/a.go", `package broker; import _ "klamm/server/transport"`, false},
		{"imports", imports, "cmd/klamm/a.go", `package main; import _ "klamm/broker"`, false},
		{"imports", imports, "logstore/a_test.go", `package logstore; import _ "klamm/server/config"`, false},

		{"panics", panics, "protocol/a.go", `package protocol; func f() { panic("no") }`, true},
		{"panics", panics, "server/config/a.go", `package config; func f() { panic("no") }`, true},
		{"panics", panics, "logstore/a.go", `package logstore; func f() { panic("what we computed is broken") }`, false},
		{"panics", panics, "server/a_test.go", `package server; func f() { panic("no") }`, false},

		{"times", times, "cluster/controller/a.go", `package controller; import "time"; func f() { time.Now() }`, true},
		{"times", times, "cluster/replica/fetch_state.go", `package replica; import "time"; func f() { time.Now() }`, true},
		{"times", times, "cluster/replica/fetcher.go", `package replica; import "time"; func f() { time.Now() }`, false},
		{"asides", asides, "cluster/replica/fetch_state.go", `package replica; func f() { go f() }`, true},
		{"asides", asides, "cluster/order/a.go", `package order; import "net"; var dial = net.Dial`, true},
		{"asides", asides, "cluster/metadata/a.go", `package metadata; import "os"; func f() { os.Getenv("x") }`, true},
		{"asides", asides, "cluster/order/a.go", `package order; import "net"; var join = net.JoinHostPort`, false},
		{"asides", asides, "cluster/replica/fetcher.go", `package replica; func f() { go f() }`, false},
		{"times", times, "protocol/batch/a.go", `package batch; import clock "time"; var now = clock.Now`, true},
		{"times", times, "groupcoord/a.go", `package groupcoord; import "time"; func f() { <-time.After(1) }`, true},
		{"times", times, "logstore/a.go", `package logstore; import "time"; func f() { time.Now() }`, true},
		{"times", times, "logstore/a.go", `package logstore; import "time"; var clock = time.Now`, false},
		{"times", times, "cluster/controller/a.go", `package controller; import "time"; func f(now time.Time) time.Duration { return time.Second }`, false},
		{"times", times, "server/a.go", `package server; import "time"; func f() { time.Now() }`, false},

		{"fileCalls", fileCalls, "logstore/a.go", `package logstore; import "os"; func f() { os.Open("x") }`, true},
		{"fileCalls", fileCalls, "logstore/a.go", `package logstore; import "os"; var remove = os.Remove`, true},
		{"fileCalls", fileCalls, "logstore/a.go", `package logstore; import "golang.org/x/sys/unix"; var x = unix.Fdatasync`, true},
		{"fileCalls", fileCalls, "logstore/a.go", `package logstore; import "syscall"; func f() { syscall.Unlink("x") }`, true},
		{"fileCalls", fileCalls, "logstore/a.go", `package logstore; import "syscall"; var full = syscall.ENOSPC`, false},
		{"fileCalls", fileCalls, "logstore/a.go", `package logstore; import "os"; var f *os.File`, false},
		{"fileCalls", fileCalls, "logstore/vfs/a.go", `package vfs; import "os"; func f() { os.Open("x") }`, false},

		{"todos", todos, "server/a.go", "package server // TODO make it fast", true},
		{"todos", todos, "server/a.go", "package server // FIXME(now): this", true},
		{"todos", todos, "server/a.go", "package server // TODO(the group coordinator): route it there", false},

		{"durations", durations, "server/a.go", `package server; import "time"; func f(l logger, b time.Time) { l.Info("x", "ms", time.Now().Sub(b)/time.Millisecond) }`, true},
		{"durations", durations, "server/a.go", `package server; import "time"; func f(l logger, b time.Time) { took := time.Since(b); l.Warn("x", "took", took) }`, true},
		{"durations", durations, "server/a.go", `package server; import "time"; type s struct { wait time.Duration }; func (s *s) f() { s.l.With("wait", s.wait).Info("x") }`, true},
		{"durations", durations, "server/a.go", `package server; import "log/slog"; func f(l logger) { l.Info("x", slog.Duration("took", 3)) }`, true},
		{"durations", durations, "server/a.go", `package server; import "time"; func f(l logger, b time.Time) { l.Info("x", "ms", time.Since(b).Milliseconds()) }`, false},
		{"durations", durations, "server/a.go", `package server; import "time"; func f(l logger, wait time.Duration) { l.Info("x", "n", 3); after(wait) }`, false},
		{"docs", docs, "server/a.go", "package server", true},
		{"docs", docs, "server/a.go", "// Package server.\npackage server", true},
		{"docs", docs, "server/a.go", "// Package server answers what clients ask.\npackage server", false},

		{"sizes", sizes, "server/a.go", "package server\n" + strings.Repeat("\n", 800), true},
		{"sizes", sizes, "server/a.go", "// Whole for one invariant: order.\npackage server\n" + strings.Repeat("\n", 800), false},
		{"sizes", sizes, "server/a.go", "package server\nfunc f() {" + strings.Repeat("\n", 60) + "}", true},
		{"sizes", sizes, "server/a.go", "package server\n" + strings.Repeat("func f() {}\n", 30) + "func g() {" + strings.Repeat("\n", 60) + "}", false},

		{"processState", processState, "server/a.go", `package server; import "sync"; var pool sync.Pool`, true},
		{"processState", processState, "server/a.go", `package server; import "sync"; var pool = sync.Pool{New: nil}`, true},
		{"processState", processState, "logstore/a.go", `package logstore; import "sync/atomic"; var n atomic.Int64`, true},
		{"processState", processState, "server/a.go", `package server; var turns = make(chan int, 1)`, true},
		{"processState", processState, "cluster/a.go", `package cluster; var n int; func f() { n++ }`, true},
		{"processState", processState, "cluster/a.go", `package cluster; var m = map[int]int{}; func f() { m[1] = 2 }`, true},
		{"processState", processState, "server/a.go", "package server\nimport \"sync\"\n// Brokers of one process share it, since it is empty.\nvar pool sync.Pool", false},
		{"processState", processState, "cluster/a.go", `package cluster; var n int; func f() { n := 1; n++ }`, false},
		{"processState", processState, "cluster/a.go", `package cluster; var m map[int]int; func init() { m = map[int]int{} }`, false},
		{"processState", processState, "cluster/a.go", `package cluster; import "sync"; var once = sync.OnceValue(func() int { return 1 })`, false},
		{"processState", processState, "cmd/klamm/a.go", `package main; import "sync"; var pool sync.Pool`, false},

		{"packageSizes", packageSizes, "server/a.go", "package server\n" + strings.Repeat("\n", 6000), true},
		{"packageSizes", packageSizes, "server/a.go", "// Package server answers. It is large because\n// the world is.\npackage server\n" + strings.Repeat("\n", 6000), false},

		{"apiFiles", table, "server/produce.go", "package server\n// Fetch (1).", true},
		{"apiFiles", table, "server/fetch.go", "package server\n// Fetch (1).", true},
		{"apiFiles", table, "server/produce.go", "package server\n// Produce (0).", false},
		{"apiFiles", table, "logstore/fetch.go", "package logstore", false},

		{"names", page("`server/gone.go` `f`"), "server/a.go", "package server; func f() {}", true},
		{"names", page("`server/a.go` `gone`"), "server/a.go", "package server; func f() {}", true},
		{"names", page("`server/a.go` `conn.gone`"), "server/a.go", "package server; func (c *conn) f() {}", true},
		{"names", page("`server/a.go`: `conn.f`, `f()` and `conn`"), "server/a.go", "package server; type conn int; func (c *conn) f() {}", false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			found := c.check(source(t, c.path, c.text))
			if (len(found) > 0) != c.bad {
				t.Errorf("%s: %q\nfound %q, want something: %t", c.path, c.text, found, c.bad)
			}
			for _, problem := range found {
				if !strings.Contains(problem, ";") && !strings.Contains(problem, "TODO(") {
					t.Errorf("%q does not say the fix", problem)
				}
			}
		})
	}
}

// table is the rule on API files with Produce served and Fetch known.
func table(files []*file) []string {
	return apiFiles(files, []string{"Produce"}, []string{"Produce", "Fetch"})
}

// page is the rule on a page's names with that text as the page.
func page(text string) func([]*file) []string {
	return func(files []*file) []string { return names("docs/life-of-a-request.md", text, files) }
}

func TestFileOf(t *testing.T) {
	for api, want := range map[string]string{
		"Produce": "produce.go", "ApiVersions": "api_versions.go", "InitProducerId": "init_producer_id.go",
		"OffsetForLeaderEpoch": "offset_for_leader_epoch.go", "DescribeAcls": "describe_acls.go", "SASLHandshake": "sasl_handshake.go",
	} {
		if got := fileOf(api); got != want {
			t.Errorf("%s: %s, want %s", api, got, want)
		}
	}
	if fmt.Sprint(served()) == "[]" || len(known()) < 50 {
		t.Errorf("%d served, %d known", len(served()), len(known()))
	}
}
