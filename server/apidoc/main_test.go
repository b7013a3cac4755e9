package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDocsAreWhatTheTableSays(t *testing.T) {
	root := filepath.Join("..", "..")
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "docs", "apis.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/apis.md is not what the table says: run go generate ./server")
	}
}

func TestFileThatSaysNothingIsMissingFails(t *testing.T) {
	if _, _, err := parse("x.go", "Metadata: key 3, versions 0 to 13.\n\nRefused: nothing.\n"); err == nil {
		t.Error("a file that does not say what is missing passed")
	}
	p, ok, err := parse("x.go", "Metadata: key 3, version 2.\n\nMissing on purpose: all\nof it.\n")
	if err != nil || !ok || p.Key != 3 || p.From != 2 || p.To != 2 || p.Missing != "all of it." {
		t.Errorf("got %+v %v %v", p, ok, err)
	}
}
