// Command apidoc writes docs/apis.md from protocol's table of APIs and from
// what the file of each API in server says about itself. Run it by
//
//	go generate ./server
package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"klamm/protocol"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	text, err := generate(root)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "docs", "apis.md"), []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apidoc: "+err.Error())
		os.Exit(1)
	}
}

// page is what the file of an API says about it.
type page struct {
	File     string // below server
	Name     string
	Key      int16
	From, To int16
	Missing  string
}

// opening is how such a file's comment begins.
var opening = regexp.MustCompile(`^(\w+): key (\d+), versions? (\d+)(?: to (\d+))?`)

// generate gives docs/apis.md, or says which file and which row of the table
// do not agree.
func generate(root string) (string, error) {
	pages, err := read(filepath.Join(root, "server"), "", "data", "groups", "txn", "admin", "peer")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(heading)
	for _, api := range protocol.APIs() {
		p, ok := pages[api.Key]
		if !ok {
			return "", fmt.Errorf("no file in server begins with %q", fmt.Sprintf("%s: key %d, versions %d to %d", api.Name, api.Key, api.Min, api.Max))
		}
		delete(pages, api.Key)
		if p.Name != api.Name || p.From != api.Min || p.To != api.Max {
			return "", fmt.Errorf("server/%s is about %s %d to %d, protocol's table about %s %d to %d", p.File, p.Name, p.From, p.To, api.Name, api.Min, api.Max)
		}
		if !strings.HasPrefix(p.Missing, api.Lacks) {
			return "", fmt.Errorf("server/%s says that %q is missing, protocol's table that it lacks %q", p.File, p.Missing, api.Lacks)
		}
		fmt.Fprintf(&b, "| %d | [%s](../server/%s) | %s | %d | %s |\n", api.Key, api.Name, p.File, versions(api), api.Flexible, p.Missing)
	}
	for _, p := range pages {
		return "", fmt.Errorf("server/%s serves %s, which is not in protocol's table", p.File, p.Name)
	}
	return b.String(), nil
}

const heading = `# The APIs that are served

Written by ` + "`go generate ./server`" + ` from the table in ` + "`protocol/api.go`" + ` and from the comment that the file of
each API begins with, which also tells what each version changed and what is refused in which order.
The lowest versions are those of Apache Kafka 3.9.2 with ZooKeeper, the highest those of 4.4.0. What is not in the table is not announced; a request for it closes the
connection, as it does with Apache's broker. The table has all that 3.9.2 announces to clients, also what belongs to security, quotas, transactions and
groups of KIP-848, which klamm has not yet: clients tell a broker's version by it. klamm answers those requests as 3.9.2 does without them.
What brokers of 3.9 say to each other, LeaderAndIsr to ControlledShutdown, AlterPartition and AllocateProducerIds, 4.4.0 does not have.

| key | API | versions | flexible from | missing on purpose |
|-|-|-|-|-|
`

func versions(api protocol.API) string {
	s := fmt.Sprintf("%d-%d", api.Min, api.Max)
	if api.Min == api.Max {
		s = strconv.Itoa(int(api.Max))
	}
	return s
}

// read finds the files that begin as those of an API do, in some rooms below dir.
func read(dir string, rooms ...string) (map[int16]page, error) {
	var files []string
	for _, room := range rooms {
		found, err := filepath.Glob(filepath.Join(dir, room, "*.go"))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	pages := make(map[int16]page)
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err == nil && len(file.Comments) == 0 {
			// The comment stands behind the package clause, which the short parse may leave out.
			file, err = parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.ImportsOnly)
		}
		if err != nil {
			return nil, err
		}
		if len(file.Comments) == 0 {
			continue
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return nil, err
		}
		p, ok, err := parse(filepath.ToSlash(name), file.Comments[0].Text())
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if other, taken := pages[p.Key]; taken {
			return nil, fmt.Errorf("server/%s and server/%s are both about key %d", other.File, p.File, p.Key)
		}
		pages[p.Key] = p
	}
	return pages, nil
}

// parse reads one file's comment; ok is false for files that are not an API's.
func parse(file, text string) (p page, ok bool, err error) {
	m := opening.FindStringSubmatch(text)
	if m == nil {
		return p, false, nil
	}
	p = page{File: file, Name: m[1]}
	for i, into := range []*int16{&p.Key, &p.From, &p.To} {
		if m[2+i] == "" {
			*into = p.From
			continue
		}
		n, err := strconv.ParseInt(m[2+i], 10, 16)
		if err != nil {
			return p, false, err
		}
		*into = int16(n)
	}
	for _, paragraph := range strings.Split(text, "\n\n") {
		flat := strings.Join(strings.Fields(paragraph), " ")
		if rest, found := strings.CutPrefix(flat, "Missing on purpose: "); found {
			p.Missing = rest
		}
		if strings.HasPrefix(flat, "Nothing is missing") {
			p.Missing = "-"
		}
	}
	if p.Missing == "" {
		return p, false, fmt.Errorf("server/%s does not say what is missing on purpose, or that nothing is", file)
	}
	return p, true, nil
}
