package config

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// InvalidValueError is a value that does not parse, or that its property does not allow. Its
// text is the sentence that Apache Kafka answers (ConfigException).
type InvalidValueError struct {
	Name, Value, Reason string
}

// Error gives Kafka's sentence.
func (e *InvalidValueError) Error() string {
	return "Invalid value " + e.Value + " for configuration " + e.Name + ": " + e.Reason
}

// javaTrim drops what String.trim drops at both ends: every character up to U+0020.
func javaTrim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
}

var listComma = regexp.MustCompile(`[ \t\n\v\f\r]*,[ \t\n\v\f\r]*`)

// splitList splits at commas with white space around them, as Apache Kafka splits a property of type LIST. An
// empty text is an empty list; an empty element stays.
func splitList(s string) []string {
	s = javaTrim(s)
	if s == "" {
		return []string{}
	}
	return listComma.Split(s, -1)
}

// splitCSV splits as splitList does, and drops empty elements (Csv.parseCsvList).
func splitCSV(s string) []string {
	var out []string
	for _, e := range splitList(s) {
		if e != "" {
			out = append(out, e)
		}
	}
	return out
}

// parse reads the text of a value. Integers of every width become int64, doubles float64, lists
// []string, everything else string; nil is null.
func (p *Property) parse(raw *string) (any, error) {
	if raw == nil {
		return nil, nil
	}
	t := javaTrim(*raw)
	bad := func(why string) (any, error) { return nil, &InvalidValueError{p.Name, p.shown(*raw), why} }
	switch p.Type {
	case Boolean:
		switch {
		case strings.EqualFold(t, "true"):
			return true, nil
		case strings.EqualFold(t, "false"):
			return false, nil
		}
		return bad("Expected value to be either true or false")
	case Int, Short, Long:
		n, err := strconv.ParseInt(t, 10, map[Type]int{Int: 32, Short: 16, Long: 64}[p.Type])
		if err != nil {
			return bad("Not a number of type " + p.Type.String())
		}
		return n, nil
	case Double:
		f, ok := parseDouble(t)
		if !ok {
			return bad("Not a number of type " + p.Type.String())
		}
		return f, nil
	case List:
		return splitList(t), nil
	default:
		return t, nil
	}
}

// resolve parses the text of a value and validates it; nil is null.
func (p *Property) resolve(raw *string) (any, error) {
	v, err := p.parse(raw)
	if err != nil || p.Valid == nil {
		return v, err
	}
	if v == nil && p.Default == nil {
		// Apache Kafka validates a null default too. No property of the table that has a null default
		// has a validator that refuses it.
		return nil, nil
	}
	if bad, why := p.Valid.Reject(p.Name, v); why != "" {
		return nil, &InvalidValueError{p.Name, p.shown(bad), why}
	}
	return v, nil
}

func (p *Property) shown(raw string) string {
	if p.Sensitive() {
		return "[hidden]"
	}
	return raw
}

// parseDouble reads what Double.parseDouble reads, except hexadecimal forms.
func parseDouble(s string) (float64, bool) {
	switch strings.TrimLeft(s, "+-") {
	case "Infinity":
		if s[0] == '-' {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	case "NaN":
		return math.NaN(), true
	}
	if n := len(s); n > 1 && strings.ContainsRune("dDfF", rune(s[n-1])) {
		s = s[:n-1]
	}
	if strings.ContainsAny(s, "xXpP_nN") {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// text gives a parsed value back as Apache Kafka prints it (ConfigDef.convertToString).
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return javaDouble(v)
	case []string:
		return strings.Join(v, ",")
	case string:
		return v
	}
	return ""
}

// javaDouble prints a number as Double.toString does: plain from 1e-3 to 1e7, with an exponent beyond.
func javaDouble(f float64) string {
	switch abs := math.Abs(f); {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	case f == 0 || abs >= 1e-3 && abs < 1e7:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}
