package config

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// FuzzJavaProperties checks that klamm numbers the lines of any file right, and reads the same again after it has
// written what it read.
func FuzzJavaProperties(f *testing.F) {
	for _, s := range []string{"a=b\n", "# x\\\na=b\\\n  c\nd: e f\n", "a\\ b = c\\\\\nd\n", "a=\\u00e9\\t\n!z\n\n  k", "a=b\\", "=x\n:\n", "a=1\na=2\r\nb=\xe9", "a=\\u00\nb=\\ud83d"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found, bad := parseProperties(latin1(data))
		lines, last := strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+1, 0
		var again strings.Builder
		for _, p := range found {
			if p.line <= last || p.line > lines {
				t.Errorf("%q is in line %d of %d, after line %d", p.name, p.line, lines, last)
			}
			last = p.line
			again.WriteString(escaped(p.name) + "=" + escaped(p.value) + "\n")
		}
		if len(found)+len(bad) > lines {
			t.Errorf("%d properties and %d bad lines in %d lines", len(found), len(bad), lines)
		}
		second, bad := parseProperties(latin1([]byte(again.String())))
		if len(second) != len(found) || len(bad) > 0 {
			t.Fatalf("%q: read again %v, bad %v", again.String(), second, bad)
		}
		for i := range found {
			if found[i].name != second[i].name || found[i].value != second[i].value {
				t.Errorf("%v is read again as %v", found[i], second[i])
			}
		}
	})
}

// escaped writes every character as \uXXXX.
func escaped(s string) string {
	var out strings.Builder
	for _, c := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&out, `\u%04x`, c)
	}
	return out.String()
}

// FuzzLoad checks that Load answers any setting in one line, and that a configuration that it accepts can be
// described and gives a topic its settings.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{"listeners=PLAINTEXT://[::1]:0", "log.retention.hours=-1", "max.connections.per.ip.overrides=a:1,[::1]:2",
		"listener.security.protocol.map=A:PLAINTEXT,B", "log.cleaner.threads=0", "inter.broker.protocol.version=2.8", "x=y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, warnings, err := Load(Options{Sets: []string{s}})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		Lines(warnings)
		d := NewDynamic(b, 1)
		if got := d.DescribeBroker(DescribeOptions{Synonyms: true}); len(got) < 300 {
			t.Errorf("%d entries", len(got))
		}
		d.Topic(nil)
	})
}
