package javalib

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Itoa writes a number.
func Itoa[I int | int16 | int32 | int64](i I) string { return strconv.FormatInt(int64(i), 10) }

// Join writes numbers with a separator between them.
func Join[I int | int16 | int32 | int64](numbers []I, separator string) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = Itoa(n)
	}
	return strings.Join(texts, separator)
}

// List is how a java.util.List of numbers or of texts prints.
func List(texts []string) string { return "[" + strings.Join(texts, ", ") + "]" }

// CompareStrings is String.compareTo, which compares UTF-16 units.
func CompareStrings(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

// UUID is how Kafka writes an id of a topic: base64 for URLs, without padding.
func UUID(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// Double is Double.toString: 1024.0, 1.0E7.
func Double(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	case f == 0:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	if size := math.Abs(f); size >= 1e-3 && size < 1e7 {
		text := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	number, err := strconv.Atoi(exponent)
	if err != nil {
		return mantissa + "E" + exponent
	}
	return mantissa + "E" + strconv.Itoa(number)
}

// Split is String.split with one separator: empty texts at the end are left out.
func Split(s, separator string) []string {
	parts := strings.Split(s, separator)
	for len(parts) > 1 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}
