package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf16"
)

// ReadProperties reads a properties file that is not the broker's own, such as that of a client, as Java reads it. Where a name stands twice, the last one counts.
func ReadProperties(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found, bad := parseProperties(latin1(data))
	for _, line := range bad {
		return nil, fmt.Errorf("%s, line %d: %w", path, line.line, line.err)
	}
	properties := map[string]string{}
	for _, p := range found {
		properties[p.name] = p.value
	}
	return properties, nil
}

// FormatProperties gives the text of a properties file, in the order of the names, from which Java and ReadProperties read the same.
func FormatProperties(properties map[string]string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		escapeProperty(&out, name, true)
		out.WriteByte('=')
		escapeProperty(&out, properties[name], false)
		out.WriteByte('\n')
	}
	return out.String()
}

// escapeProperty writes a name or a value.
func escapeProperty(out *strings.Builder, text string, name bool) {
	for i, r := range text {
		switch {
		case r == '\\' || name && strings.ContainsRune("=:#! ", r) || !name && i == 0 && r == ' ':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			out.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(out, `\u%04x`, unit)
			}
		}
	}
}
