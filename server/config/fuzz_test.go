package config

import (
	"strings"
	"testing"

	"github.com/magiconair/properties"
)

// FuzzJavaProperties holds the reading by logical lines, which knows the line of each name, to a
// reading of the whole at once.
func FuzzJavaProperties(f *testing.F) {
	for _, s := range []string{"a=b\n", "# x\\\na=b\\\n  c\nd: e f\n", "a\\ b = c\\\\\nd\n", "a=\\u00e9\\t\n!z\n\n  k", "a=b\\", "=x\n:\n", "a=1\na=2\r\nb=\xe9"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		codec, into := &javaProperties{}, map[string]any{}
		err := codec.Decode(data, into)
		text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(data))
		loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
		if strings.Contains(text, "\\\n") || strings.HasSuffix(text, "\\") {
			return // continued lines are joined as Java does it, not as the library does
		}
		whole, wholeErr := loader.LoadBytes([]byte(text))
		if (err == nil) != (wholeErr == nil) {
			t.Fatalf("by lines: %v, at once: %v", err, wholeErr)
		}
		if err != nil {
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, s := range codec.found {
			if s.source.Line < 1 || s.source.Line > lines {
				t.Errorf("%q is in line %d of %d", s.name, s.source.Line, lines)
			}
		}
		if len(into) != whole.Len() {
			t.Errorf("%d names by lines, %d at once: %v, %v", len(into), whole.Len(), into, whole.Map())
		}
		for k, v := range whole.Map() {
			if into[k] != v {
				t.Errorf("%q is %q by lines, %q at once", k, into[k], v)
			}
		}
	})
}

// FuzzLoad: whatever a setting is, loading ends with an answer in one line, and what was accepted can be
// described and makes a topic.
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
