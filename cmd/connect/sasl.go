package connect

import (
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// sasl makes a mechanism of sasl.mechanism and sasl.jaas.config.
func (p Properties) sasl() (sasl.Mechanism, error) {
	mechanism := strings.ToUpper(or(p["sasl.mechanism"], "GSSAPI"))
	module := ""
	switch mechanism {
	case "PLAIN":
		module = "org.apache.kafka.common.security.plain.PlainLoginModule"
	case "SCRAM-SHA-256", "SCRAM-SHA-512":
		module = "org.apache.kafka.common.security.scram.ScramLoginModule"
	default:
		return nil, fmt.Errorf("sasl.mechanism=%s is not served: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are", mechanism)
	}
	text := p["sasl.jaas.config"]
	if text == "" {
		return nil, fmt.Errorf(`sasl.jaas.config has to say who logs in: %s required username="..." password="...";`, module)
	}
	login, err := parseJAAS(text)
	if err != nil {
		return nil, fmt.Errorf("sasl.jaas.config: %w", err)
	}
	if login.module != module {
		return nil, fmt.Errorf("sasl.jaas.config: %s is not the module of %s, %s", login.module, mechanism, module)
	}
	user, ok := login.options["username"]
	if !ok {
		return nil, errors.New("sasl.jaas.config: username is missing")
	}
	password, ok := login.options["password"]
	if !ok {
		return nil, errors.New("sasl.jaas.config: password is missing")
	}
	if mechanism == "PLAIN" {
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	}
	auth := scram.Auth{User: user, Pass: password, IsToken: strings.EqualFold(login.options["tokenauth"], "true")}
	if mechanism == "SCRAM-SHA-256" {
		return auth.AsSha256Mechanism(), nil
	}
	return auth.AsSha512Mechanism(), nil
}

// login is one entry of a JAAS configuration.
type login struct {
	module  string
	options map[string]string
}

// parseJAAS reads `module flag name=value ...;`. It never puts the text into an error, since a password stands there.
func parseJAAS(text string) (login, error) {
	l := login{options: map[string]string{}}
	words, ended, err := jaasWords(text)
	if err != nil {
		return l, err
	}
	if !ended {
		return l, errors.New("it has to end in a semicolon")
	}
	if len(words) < 2 {
		return l, errors.New(`it is "module required name=value ...;"`)
	}
	l.module = words[0]
	switch strings.ToLower(words[1]) {
	case "required", "requisite", "sufficient", "optional":
	default:
		return l, errors.New("the word after the module has to be required, requisite, sufficient or optional")
	}
	for rest := words[2:]; len(rest) > 0; rest = rest[3:] {
		if len(rest) < 3 || rest[1] != "=" {
			return l, fmt.Errorf("option %d is not name=value", len(l.options)+1)
		}
		l.options[rest[0]] = rest[2]
	}
	return l, nil
}

// jaasWords splits the text into words, and = as one of its own. Quotes hold a word together, and a backslash in them stands before a character that is meant as it is.
// ended says that a semicolon ends the text, with nothing behind it.
func jaasWords(text string) (words []string, ended bool, err error) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case ended:
			return nil, false, errors.New("something follows the semicolon; one module is served")
		case c == ';':
			ended = true
			i++
		case c == '=':
			words = append(words, "=")
			i++
		case c == '"' || c == '\'':
			word, length := quoted(text[i+1:], c)
			if length < 0 {
				return nil, false, errors.New("a quote is not closed")
			}
			words = append(words, word)
			i += 1 + length
		default:
			length := strings.IndexAny(text[i:], " \t\r\n;=\"'")
			if length < 0 {
				length = len(text) - i
			}
			words = append(words, text[i:i+length])
			i += length
		}
	}
	return words, ended, nil
}

// quoted gives the word up to the closing quote, and how many bytes it took with that; -1 if there is none.
func quoted(text string, quote byte) (string, int) {
	var word []byte
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == quote:
			return string(word), i + 1
		case text[i] == '\\' && i+1 < len(text):
			i++
			switch text[i] {
			case 'n':
				word = append(word, '\n')
			case 't':
				word = append(word, '\t')
			case 'r':
				word = append(word, '\r')
			default:
				word = append(word, text[i])
			}
		default:
			word = append(word, text[i])
		}
	}
	return "", -1
}
