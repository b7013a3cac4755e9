// Gen writes docs/configuration.md from the table of properties.
//
// Usage, from the top of the repository: go run ./server/config/gen docs/configuration.md
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"strings"

	"klamm/server/config"
)

// intro is the part of the page that is written by hand.
//
//go:embed intro.md
var intro string

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./server/config/gen docs/configuration.md")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], render(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// render gives the page.
func render() []byte {
	var page bytes.Buffer
	page.WriteString("<!-- Written by go run ./server/config/gen docs/configuration.md; do not edit. -->\n\n")
	page.WriteString(intro)
	served, all := 0, 0
	for _, area := range config.Areas() {
		for _, p := range area.Properties {
			all++
			if p.Served() {
				served++
			}
		}
	}
	fmt.Fprintf(&page, "\n## All %d properties\n\n", all)
	fmt.Fprintf(&page, "klamm serves %d of them today; they have an asterisk. klamm checks and describes the others, and they have no effect yet. Where the table says \"without effect\", they never have one on a broker alone.\n", served)
	for _, area := range config.Areas() {
		fmt.Fprintf(&page, "\n### %s\n\n| | Property | Type | Default | Allowed | Changes | What it is |\n|-|-|-|-|-|-|-|\n", area.Title)
		for _, p := range area.Properties {
			row(&page, p, area.Title == "Topics")
		}
	}
	return page.Bytes()
}

func row(page *bytes.Buffer, p *config.Property, topic bool) {
	mark := ""
	if p.Served() {
		mark = "\\*"
	}
	changes := p.Mode.String()
	if topic {
		changes = "any time"
	}
	doc := p.Doc
	if len(p.Fallback) > 0 {
		var names []string
		for _, f := range p.Fallback {
			names = append(names, "`"+f.Name+"`")
		}
		doc += " If not set: " + strings.Join(names, ", then ") + "."
	}
	if why := p.Without(); why != "" {
		doc += " Without effect: " + why + "."
	}
	if p.Internal {
		doc += " Internal: DescribeConfigs shows it only if it is set."
	}
	fmt.Fprintf(page, "| %s | `%s` | %s | %s | %s | %s | %s |\n",
		mark, p.Name, strings.ToLower(p.Type.String()), defaultOf(p), allowed(p), changes, escape(doc))
}

func defaultOf(p *config.Property) string {
	switch {
	case p.Default == nil:
		return "null"
	case *p.Default == "":
		return "empty"
	}
	return "`" + strings.ReplaceAll(*p.Default, "|", "\\|") + "`"
}

// allowed gives what a property may be. It shortens the list of versions, which is too long for a table.
func allowed(p *config.Property) string {
	if p.Valid == nil {
		return ""
	}
	s := p.Valid.String()
	if strings.HasPrefix(s, "[0.8.0, ") {
		s = "[0.8.0, ..." + s[strings.LastIndex(s, ","):]
	}
	return escape(s)
}

func escape(s string) string {
	return strings.NewReplacer("|", "\\|", "*", "\\*", "<", "&lt;", "_", "\\_").Replace(s)
}
