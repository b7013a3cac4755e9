// Package printable makes text harmless for a terminal. Names, keys and values come from whoever may write to a cluster: raw, they could move the cursor, change
// what was printed before, or look like something else.
//
// It decides about characters alone, and knows nothing of what they stand for.
//
// Begin reading at [Text].
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text replaces what is no printable character, of one line, with an escape: \n, \t, \x1b, \u202e. Bytes that are no UTF-8 become \xff and the like.
func Text(s string) string {
	if harmless(s) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, s[i])
		case safe(r):
			out.WriteString(s[i : i+size])
		default:
			out.WriteString(escape(r))
		}
		i += size
	}
	return out.String()
}

// Lines is Text for what may have several lines: line feeds and tabs stay.
func Lines(s string) string {
	var out strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			out.WriteByte('\n')
		}
		for j, part := range strings.Split(line, "\t") {
			if j > 0 {
				out.WriteByte('\t')
			}
			out.WriteString(Text(part))
		}
	}
	return out.String()
}

// JSON replaces what is no printable character in JSON with escapes of JSON: its encoder leaves some that a terminal obeys.
func JSON(s string) string {
	return encoded(s, func(r rune) string {
		r -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	})
}

// YAML does so in YAML, where such a character stands in double quotes.
func YAML(s string) string {
	return encoded(s, func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })
}

// encoded escapes characters of JSON or YAML; large escapes those that four digits do not hold.
func encoded(s string, large func(rune) string) string {
	if harmless(s) {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || safe(r):
			out.WriteRune(r)
		case r > 0xffff:
			out.WriteString(large(r))
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

func harmless(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !safe(r) {
			return false
		}
	}
	return true
}

// safe says whether a character is a letter, mark, number, symbol or the like, or a plain space. Format characters, such as those that turn the direction of
// writing, are not: text could look like another.
func safe(r rune) bool { return r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zs, r) }

func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
