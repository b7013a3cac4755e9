package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Validator checks a value that has parsed. Its sentences are those of Apache Kafka's brokers, since tools and
// tests compare them.
type Validator interface {
	// Reject gives "" as why if the value is allowed. If not, bad is the part of the value that is not allowed,
	// as text, and why is the reason. The value is of the Go type that parse gives, nil for null.
	Reject(name string, value any) (bad, why string)
	// String says what is allowed.
	String() string
}

// AtLeast allows numbers from min on.
func AtLeast(min string) Validator { return valueRange{min: min} }

// Between allows numbers from min to max, both included.
func Between(min, max string) Validator { return valueRange{min: min, max: max} }

// valueRange keeps its bounds as text, since they are printed as they were written.
type valueRange struct{ min, max string }

func (r valueRange) Reject(_ string, value any) (string, string) {
	if value == nil {
		return "null", "Value must be non-null"
	}
	n := number(value)
	if low, err := strconv.ParseFloat(r.min, 64); err == nil && n < low {
		return text(value), "Value must be at least " + r.min
	}
	if high, err := strconv.ParseFloat(r.max, 64); err == nil && n > high {
		return text(value), "Value must be no more than " + r.max
	}
	return "", ""
}

func (r valueRange) String() string {
	if r.max == "" {
		return "[" + r.min + ",...]"
	}
	return "[" + r.min + ",...," + r.max + "]"
}

func number(value any) float64 {
	switch v := value.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// OneOf allows the words given. It allows a list if each element is one of the words.
func OneOf(words ...string) Validator { return oneOf(words) }

type oneOf []string

func (o oneOf) Reject(_ string, value any) (string, string) {
	why := "String must be one of: " + strings.Join(o, ", ")
	if list, ok := value.([]string); ok {
		for _, s := range list {
			if !slices.Contains(o, s) {
				return s, why
			}
		}
		return "", ""
	}
	if s, ok := value.(string); !ok || !slices.Contains(o, s) {
		return text(value), why
	}
	return "", ""
}

func (o oneOf) String() string { return "[" + strings.Join(o, ", ") + "]" }

// OneOfFold allows the words given, which are in capitals, in any case.
func OneOfFold(words ...string) Validator { return oneOfFold(words) }

type oneOfFold []string

func (o oneOfFold) Reject(_ string, value any) (string, string) {
	if s, ok := value.(string); ok && slices.Contains(o, strings.ToUpper(s)) {
		return "", ""
	}
	return text(value), "String must be one of (case insensitive): " + strings.Join(o, ", ")
}

func (o oneOfFold) String() string { return "(case insensitive) [" + strings.Join(o, ", ") + "]" }

// check is a validator made of a function and of what String gives.
type check struct {
	says   string
	reject func(name string, value any) (bad, why string)
}

func (c check) Reject(name string, value any) (string, string) { return c.reject(name, value) }
func (c check) String() string                                 { return c.says }

var (
	nonNull Validator = check{"non-null string", func(_ string, v any) (string, string) {
		if v == nil {
			return "null", "entry must be non null"
		}
		return "", ""
	}}
	nonEmpty Validator = check{"non-empty string", func(_ string, v any) (string, string) {
		if s, ok := v.(string); ok && s == "" {
			return "", "String must be non-empty"
		}
		return "", ""
	}}
	// nonEmptyList has the description of the validators of controller.quorum.*, which allow a list that nobody
	// set. It refuses nothing.
	nonEmptyList Validator = check{"non-empty list", func(string, any) (string, string) { return "", "" }}
	gzipLevel    Validator = check{"[1,...,9] or -1", func(_ string, v any) (string, string) {
		n, ok := v.(int64)
		if !ok {
			return "null", "Value must be non-null"
		}
		if n > 9 || n < 1 && n != -1 {
			return text(v), "Value must be between 1 and 9 or equal to -1"
		}
		return "", ""
	}}
	poolSize Validator = check{"-1 or [1,...]", func(_ string, v any) (string, string) {
		if n, ok := v.(int64); ok && (n == -1 || n >= 1) {
			return "", ""
		}
		return text(v), "Value can be -1 or greater than 0"
	}}
	throttledReplicas Validator = check{"[partitionId]:[brokerId],[partitionId]:[brokerId],...", rejectThrottled}
	metadataVersion   Validator = check{"[" + strings.Join(metadataVersions, ", ") + "]", rejectVersion}
)

var replicaPair = regexp.MustCompile(`^([0-9]+:[0-9]+)?$`)

func rejectThrottled(name string, v any) (string, string) {
	list, _ := v.([]string)
	all := true
	for _, s := range list {
		all = all && replicaPair.MatchString(javaTrim(s))
	}
	if all || javaTrim(strings.Join(list, "")) == "*" {
		return "", ""
	}
	return "[" + strings.Join(list, ", ") + "]", name + " must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
}
