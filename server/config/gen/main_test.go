package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"klamm/server/config"
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

// TestIntroNamesTheOwnPropertiesWithoutThePrefix: it said that all of them begin with it.
func TestIntroNamesTheOwnPropertiesWithoutThePrefix(t *testing.T) {
	_, paragraph, _ := strings.Cut(intro, "- **klamm's own properties**")
	paragraph, _, _ = strings.Cut(paragraph, "\n- ")
	for _, p := range config.BrokerProperties() {
		named := strings.Contains(paragraph, "`"+p.Name+"`")
		if p.Own() && !strings.HasPrefix(p.Name, config.OwnPrefix) && !named {
			t.Errorf("intro.md does not name %s as one of klamm's own", p.Name)
		}
		if !p.Own() && named {
			t.Errorf("intro.md names %s as one of klamm's own", p.Name)
		}
	}
}
