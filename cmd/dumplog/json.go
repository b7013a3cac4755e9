package dumplog

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// object is a JSON object whose fields keep their order, as Jackson writes it.
type object []field

type field struct {
	name  string
	value any // object, list, string, *string, []byte (base64), int16, int32, int64 or nil
}

// list is a JSON array.
type list []any

// add adds a field.
func (o *object) add(name string, value any) { *o = append(*o, field{name, value}) }

// String gives the object as JSON without spaces.
func (o object) String() string {
	var s strings.Builder
	writeJSON(&s, o)
	return s.String()
}

func writeJSON(s *strings.Builder, value any) {
	switch v := value.(type) {
	case object:
		s.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				s.WriteByte(',')
			}
			quote(s, f.name)
			s.WriteByte(':')
			writeJSON(s, f.value)
		}
		s.WriteByte('}')
	case list:
		s.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				s.WriteByte(',')
			}
			writeJSON(s, e)
		}
		s.WriteByte(']')
	case *string:
		if v == nil {
			s.WriteString("null")
		} else {
			quote(s, *v)
		}
	case []byte:
		if v == nil {
			s.WriteString("null")
		} else {
			quote(s, base64.StdEncoding.EncodeToString(v))
		}
	case string:
		quote(s, v)
	case nil:
		s.WriteString("null")
	default:
		fmt.Fprint(s, v)
	}
}

// quote writes a string as Jackson does.
func quote(s *strings.Builder, text string) {
	s.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			s.WriteByte('\\')
			s.WriteRune(r)
		case r >= ' ':
			s.WriteRune(r)
		case strings.ContainsRune("\b\t\n\f\r", r):
			s.WriteString(strings.Trim(strconv.Quote(string(r)), `"`))
		default:
			fmt.Fprintf(s, "\\u%04X", r)
		}
	}
	s.WriteByte('"')
}
