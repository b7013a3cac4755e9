package controller

import (
	"fmt"
	"strings"

	"klamm/cluster/order"
)

// MaxTopicName is the longest name of a topic: its directory's name has a suffix besides.
const MaxTopicName = 249

// ValidateTopicName checks a name against Kafka's rules. The error wraps ErrInvalidTopic.
func ValidateTopicName(name string) error {
	reason := ""
	switch {
	case name == "":
		reason = "the empty string is not allowed"
	case name == "." || name == "..":
		reason = "'" + name + "' is not allowed"
	case len(name) > MaxTopicName:
		reason = fmt.Sprintf("the length of '%s' is longer than the max allowed length %d", name, MaxTopicName)
	case strings.ContainsFunc(name, notLegal):
		reason = "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	default:
		return nil
	}
	return order.Refuse(order.ErrInvalidTopic, "Topic name is invalid: %s", reason)
}

func notLegal(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}
