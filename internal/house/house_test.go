package house

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// TestTheHouse holds the module to the rules.
func TestTheHouse(t *testing.T) {
	files, err := sources(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("%d sources in the module: the test looks in the wrong place", len(files))
	}
	for name, rule := range map[string]func([]*file) []string{
		"imports go downward": imports, "no panic": panics, "no clock in pure code": times, "nothing aside in still code": asides, "disk through the seam": fileCalls,
		"open ends say what they wait for": todos, "every package has a doc": docs, "sizes": sizes, "sizes of packages": packageSizes, "no state of the process": processState,
		"one file for each API":       func(files []*file) []string { return apiFiles(files, served(), known()) },
		"log lines have no durations": durations,
		"still code is there": func(files []*file) (gone []string) { // a rule about a file that was renamed holds nothing
			for _, place := range still {
				if !slices.ContainsFunc(files, func(f *file) bool { return f.in([]string{place}) }) {
					gone = append(gone, place+" is not there; name what it is called now")
				}
			}
			return gone
		},
		"the map names what is there": func(files []*file) []string {
			text, err := os.ReadFile("../../docs/life-of-a-request.md")
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return []string{err.Error()}
			}
			return names("docs/life-of-a-request.md", string(text), files)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, problem := range rule(files) {
				t.Error(problem)
			}
		})
	}
}

// served are the names in the table of APIs.
func served() (list []string) {
	for _, api := range protocol.APIs() {
		list = append(list, api.Name)
	}
	return list
}

// known are the names of all APIs, as kmsg has them.
func known() (list []string) {
	for key := int16(0); key <= kmsg.MaxKey; key++ {
		name := kmsg.NameForKey(key)
		switch name { // where kmsg writes another name than Kafka
		case "InitProducerID":
			name = "InitProducerId"
		case "AllocateProducerIDs":
			name = "AllocateProducerIds"
		case "":
			continue
		}
		list = append(list, strings.ReplaceAll(name, "ACLs", "Acls"))
	}
	return list
}
