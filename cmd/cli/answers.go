package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// refusal says in words why a cluster refused something. message is what the broker said about it, if anything.
func refusal(err error, message string) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	var code *kerr.Error
	if errors.As(err, &code) {
		text = fmt.Sprintf("%s (%s)", strings.TrimSuffix(code.Description, "."), code.Message)
	}
	if message = strings.TrimSpace(message); message != "" && code != nil {
		text = fmt.Sprintf("%s (%s)", strings.TrimSuffix(message, "."), code.Message)
	}
	return text
}

// refused makes an error of a refusal. what is what was asked for.
func refused(what string, err error, message string) error {
	if err == nil {
		return nil
	}
	if errors.As(err, new(*kerr.Error)) {
		return fmt.Errorf("%s: %s", what, refusal(err, message))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// legal are the names that a topic may have.
var legal = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// checkTopics refuses names that no topic can have, and names that stand twice.
func checkTopics(names []string) error {
	for i, name := range names {
		if err := checkTopic(name); err != nil {
			return &Exit{CodeMisuse, err}
		}
		if slices.Contains(names[:i], name) {
			return misuse("topic %s is named twice", name)
		}
	}
	return nil
}

// checkTopic refuses a name that no topic can have.
func checkTopic(name string) error {
	if !legal.MatchString(name) || name == "." || name == ".." {
		return fmt.Errorf("%q cannot be the name of a topic: it has 1 to 249 letters, digits, dots, underscores and dashes, and neither \".\" nor \"..\" is one", name)
	}
	return nil
}

// topics gives what a broker knows of some topics, or of all where none are named. A topic that does not exist is an error that names it.
func (s *session) topics(ctx context.Context, names ...string) (kadm.Metadata, error) {
	meta, err := s.Admin.Metadata(ctx, names...)
	if err != nil {
		return meta, fmt.Errorf("asking for the metadata: %w", err)
	}
	var errs []error
	for _, t := range meta.Topics.Sorted() {
		switch {
		case t.Err == nil:
		case len(names) == 0 && errors.Is(t.Err, kerr.UnknownTopicOrPartition): // deleted in between
			delete(meta.Topics, t.Topic)
		case errors.Is(t.Err, kerr.UnknownTopicOrPartition):
			errs = append(errs, fmt.Errorf("there is no topic %s; klamm topic list has their names, klamm topic create %s makes it", t.Topic, t.Topic))
		default:
			errs = append(errs, refused("topic "+t.Topic, t.Err, ""))
		}
	}
	return meta, errors.Join(errs...)
}

// settings makes pairs of name=value.
func settings(flag string, pairs []string) (map[string]*string, error) {
	all := map[string]*string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, misuse("%s %q is not name=value", flag, pair)
		}
		if _, twice := all[name]; twice {
			return nil, misuse("%s: %s is set twice", flag, name)
		}
		all[name] = &value
	}
	return all, nil
}
