package config

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"unicode/utf16"
)

// testdata/Properties.java writes a longer list for this flag, as golden.sh says.
var javaFile = flag.String("java-properties", "testdata/java-properties.json", "file with properties files and what Java reads in them")

// TestPropertiesAreReadAsJavaReadsThem reads files made by hand and at random, in ISO 8859-1 as kafka.Kafka reads
// its configuration and in UTF-8 as FileConfigProvider reads its file.
func TestPropertiesAreReadAsJavaReadsThem(t *testing.T) {
	data, err := os.ReadFile(*javaFile)
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text string
		UTF8 bool
		Read map[string]string // nil: Java refuses the file
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 300 {
		t.Errorf("only %d files", len(cases))
	}
	for _, c := range cases {
		text := utf16.Encode([]rune(c.Text))
		if !c.UTF8 {
			var bytes []byte
			for _, r := range c.Text {
				bytes = append(bytes, byte(r))
			}
			text = latin1(bytes)
		}
		found, bad := parseProperties(text)
		if (len(bad) > 0) != (c.Read == nil) {
			t.Errorf("%q: refused lines %v, by Java: %t", c.Text, bad, c.Read == nil)
		}
		if c.Read == nil {
			continue
		}
		got := map[string]string{}
		for _, p := range found {
			got[p.name] = p.value
		}
		if a, b := asJSON(t, got), asJSON(t, c.Read); a != b {
			t.Errorf("%q is read as %s, by Java as %s", c.Text, a, b)
		}
	}
}
