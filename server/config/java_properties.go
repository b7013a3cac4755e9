package config

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf16"
)

// property is one name and value of a properties file.
type property struct {
	name, value string
	line        int // where the logical line begins, counted from 1
}

// badLine is a line that Java refuses to read.
type badLine struct {
	line int
	err  error
}

// latin1 gives the characters of a file in ISO 8859-1, as which Properties.load(InputStream) reads it.
func latin1(data []byte) []uint16 {
	text := make([]uint16, len(data))
	for i, b := range data {
		text[i] = uint16(b)
	}
	return text
}

// parseProperties reads text as java.util.Properties does. The text is in UTF-16, as Java's strings are, since an
// escape may write half of a surrogate pair. If the text gives a name twice, found has both in their order; in
// Java the last one counts.
//
// Java refuses a whole file for one malformed \uXXXX. parseProperties reads the other lines all the same, so that
// the user hears of every bad line at once.
func parseProperties(text []uint16) (found []property, bad []badLine) {
	lines := splitLines(text)
	crlf := len(text) > 1 && text[len(text)-2] == '\r' && text[len(text)-1] == '\n'
	for i := 0; i < len(lines); {
		first := i + 1
		var logical []uint16
		var ok bool
		logical, i, ok = joinLine(lines, i)
		// Java reads a lone backslash in the last line as a property without a name, unless \r\n follows it.
		if !ok || len(logical) == 0 && crlf {
			continue
		}
		p, err := parseLine(logical)
		if err != nil {
			bad = append(bad, badLine{first, err})
			continue
		}
		p.line = first
		found = append(found, p)
	}
	return found, bad
}

// splitLines splits at \n, \r and \r\n. No line follows a line terminator at the end of the text.
func splitLines(text []uint16) (lines [][]uint16) {
	for len(text) > 0 {
		end := slices.IndexFunc(text, func(c uint16) bool { return c == '\n' || c == '\r' })
		if end < 0 {
			return append(lines, text)
		}
		lines = append(lines, text[:end])
		if text[end] == '\r' && end+1 < len(text) && text[end+1] == '\n' {
			end++
		}
		text = text[end+1:]
	}
	return lines
}

// joinLine joins the line at i with the lines that continue it, and gives the index of the next line. ok is false
// for blank lines and comments.
func joinLine(lines [][]uint16, i int) (logical []uint16, next int, ok bool) {
	for ; i < len(lines); i++ {
		line := trimBlanks(lines[i])
		if len(logical) == 0 {
			if len(line) == 0 || line[0] == '#' || line[0] == '!' {
				return nil, i + 1, false
			}
		}
		if !continued(line) {
			return append(logical, line...), i + 1, true
		}
		logical = append(logical, line[:len(line)-1]...)
	}
	return logical, i, true // the file ends in a backslash, which Java drops
}

// trimBlanks drops the white space that a line begins with.
func trimBlanks(line []uint16) []uint16 {
	for len(line) > 0 && isBlank(line[0]) {
		line = line[1:]
	}
	return line
}

func isBlank(c uint16) bool { return c == ' ' || c == '\t' || c == '\f' }

// continued reports whether the next line continues this one, which then ends in an odd number of backslashes.
func continued(line []uint16) bool {
	n := 0
	for n < len(line) && line[len(line)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// parseLine splits a logical line at the first =, : or white space that no backslash escapes. White space
// may surround the separator; white space at the end of the value belongs to the value.
func parseLine(line []uint16) (p property, err error) {
	end := 0
	for end < len(line) && line[end] != '=' && line[end] != ':' && !isBlank(line[end]) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	value := trimBlanks(line[end:])
	if len(value) > 0 && (value[0] == '=' || value[0] == ':') {
		value = trimBlanks(value[1:])
	}
	if p.name, err = unescape(line[:end]); err != nil {
		return p, err
	}
	p.value, err = unescape(value)
	return p, err
}

var errMalformedEscape = errors.New(`malformed \uXXXX escape: four hexadecimal digits must follow \u`)

// unescape replaces escapes: \t, \n, \r, \f and \uXXXX, and \ before any other character stands for that
// character.
func unescape(text []uint16) (string, error) {
	out := make([]uint16, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' || i+1 == len(text) {
			out = append(out, c)
			continue
		}
		i++
		switch c = text[i]; c {
		case 't':
			c = '\t'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 'f':
			c = '\f'
		case 'u':
			if i+4 >= len(text) {
				return "", errMalformedEscape
			}
			n, err := strconv.ParseUint(string(utf16.Decode(text[i+1:i+5])), 16, 16)
			if err != nil {
				return "", errMalformedEscape
			}
			c, i = uint16(n), i+4
		}
		out = append(out, c)
	}
	return string(utf16.Decode(out)), nil
}
