package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestThePageIsWhatTheTableSays(t *testing.T) {
	got, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "scripts.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != generate() {
		t.Error("docs/scripts.md is not what the table of scripts says: run go generate ./cmd/scripts")
	}
}
