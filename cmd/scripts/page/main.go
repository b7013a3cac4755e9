// Command page writes docs/scripts.md from the table of scripts. Run it by
//
//	go generate ./cmd/scripts
package main

import (
	"fmt"
	"os"
	"strings"

	"klamm/cmd/scripts"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "page: name the file to write")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(generate()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "page: "+err.Error())
		os.Exit(1)
	}
}

const heading = `# Kafka's scripts

klamm runs Apache Kafka's command-line scripts, by their names and with their options: ` + "`klamm kafka-topics --describe ...`" + `. A
link to klamm that has the name of a script, with or without ` + "`.sh`" + `, runs the script too, so that runbooks need no change:

    ln -s /usr/bin/klamm /usr/local/bin/kafka-topics.sh

The scripts work on clusters of klamm and of Apache Kafka, by the protocol alone, and start in milliseconds. What they print on standard
output is what the scripts of 3.9.2 print, to the letter: columns, blanks and the order of the lines. So are the exit codes. ` + "`compat-tests/scripts`" + `
compares both. On standard error they print the messages without the stack traces.

- An option has to be written out, as in Kafka's scripts. ` + "`--topic x`" + `, ` + "`--topic=x`" + ` and ` + "`-topic x`" + ` are the same. An option that is not known, or that is
  refused below, ends the script.
- ` + "`--command-config`" + ` and its likes take the properties file of a Java client. A property that klamm cannot honour is refused.
- Regular expressions are Go's (RE2): the same as Java's but for look-around and back references, which are an invalid regex here.
- A cluster that does not answer ends a script at once where its ports refuse, and after a minute where they are silent.

The page is made from the table of scripts: ` + "`go generate ./cmd/scripts`" + `.
`

// generate gives the page.
func generate() string {
	var b strings.Builder
	b.WriteString(heading)
	for _, s := range scripts.Scripts() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Name, s.Does)
		if s.Differs != "" {
			fmt.Fprintf(&b, "\nDifferent from Kafka's: %s\n", s.Differs)
		}
		b.WriteString("\n| option | |\n|-|-|\n")
		for _, o := range s.Options() {
			what := o.Help
			if o.Refusal() != "" {
				what = "Refused: " + o.Refusal() + "."
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(o.Usage(), "|", "\\|"), strings.ReplaceAll(what, "|", "\\|"))
		}
	}
	return b.String()
}
