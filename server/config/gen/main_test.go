package main

import (
	"bytes"
	"os"
	"testing"
)

func TestPageIsThatOfTheTable(t *testing.T) {
	page, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, render()) {
		t.Error("docs/configuration.md is not what the table gives; run: go run ./server/config/gen docs/configuration.md")
	}
}
