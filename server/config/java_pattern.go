package config

import (
	"fmt"
	"regexp"
)

// javaPattern compiles a regular expression of java.util.regex that has to match a whole name. Go's regexp has no
// look-around, back references or possessive quantifiers, and refuses them. javaPattern also refuses what Go and
// Java both compile but read in different ways.
func javaPattern(pattern string) (*regexp.Regexp, error) {
	inClass := false
	for i := 0; i < len(pattern); i++ {
		switch rest := pattern[i:]; {
		case len(rest) > 1 && rest[:2] == `\Q`:
			return nil, patternError(pattern, `\Q is not served`)
		case len(rest) > 1 && (rest[:2] == `\v` || rest[:2] == `\s` || rest[:2] == `\S`):
			return nil, patternError(pattern, rest[:2]+" means something else in Java")
		case rest[0] == '\\':
			i++
		case !inClass && rest[0] == '{' && !quantifier.MatchString(rest):
			return nil, patternError(pattern, "{ must begin a quantifier, as in {2,3}")
		case !inClass && rest[0] == '[':
			inClass = true
		case inClass && rest[0] == '[', inClass && len(rest) > 1 && rest[:2] == "&&":
			return nil, patternError(pattern, "unions and intersections of character classes are not served")
		case rest[0] == ']':
			inClass = false
		}
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, patternError(pattern, err.Error())
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// quantifier matches what { may begin outside of a character class.
var quantifier = regexp.MustCompile(`^\{[0-9]+(,[0-9]*)?\}`)

func patternError(pattern, why string) error {
	return fmt.Errorf("%q is not a pattern that klamm can match with: %s", pattern, why)
}
