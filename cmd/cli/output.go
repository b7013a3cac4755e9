package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"klamm/cmd/cli/printable"
)

// format is the flag --output.
type format string

const (
	asTable format = "table"
	asJSON  format = "json"
	asYAML  format = "yaml"
)

func (f *format) add(cmd *cobra.Command) {
	*f = asTable
	cmd.Flags().VarP(f, "output", "o", "`format` of the output: table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// Set takes a value of the flag.
func (f *format) Set(value string) error {
	switch format(value) {
	case asTable, asJSON, asYAML:
		*f = format(value)
		return nil
	}
	return fmt.Errorf("the formats are table, json and yaml")
}

// Type names the kind of value for the help.
func (f *format) Type() string { return "format" }

func (f *format) String() string { return string(*f) }

// table is text in columns. A table without a head has none.
type table struct {
	head []string
	rows [][]string
}

// row adds a row. Each cell is written as fmt.Sprint does, lists of numbers with commas.
func (t *table) row(cells ...any) {
	var row []string
	for _, c := range cells {
		row = append(row, cell(c))
	}
	t.rows = append(t.rows, row)
}

func cell(c any) string {
	switch c := c.(type) {
	case []int32:
		var ids []string
		for _, id := range c {
			ids = append(ids, strconv.Itoa(int(id)))
		}
		return dash(strings.Join(ids, ","))
	case string:
		return printable.Text(c)
	case *string:
		if c == nil {
			return "-"
		}
		return printable.Text(*c)
	case time.Time:
		return c.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return printable.Text(fmt.Sprint(c))
}

// dash is what stands in a table for nothing.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// write writes the table.
func (t *table) write(out io.Writer) error {
	var text bytes.Buffer
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	if len(t.head) > 0 {
		fmt.Fprintln(columns, strings.Join(t.head, "\t"))
	}
	for _, row := range t.rows {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	var lines strings.Builder
	for line := range strings.Lines(text.String()) {
		lines.WriteString(strings.TrimRight(line, " \n"))
		lines.WriteByte('\n')
	}
	_, err := io.WriteString(out, lines.String())
	return err
}

// show writes a value in the format that was asked for; text writes it for people.
func (p Process) show(f format, value any, text func(io.Writer) error) error {
	if f == asTable {
		return text(p.Out)
	}
	encoded, err := encodeJSON(value)
	if err == nil && f == asYAML {
		encoded, err = toYAML(encoded)
	}
	if err != nil {
		return err
	}
	_, err = p.Out.Write(encoded)
	return err
}

func (s *session) show(value any, text func(io.Writer) error) error {
	return s.Process.show(s.format, value, text)
}

func encodeJSON(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return []byte(printable.JSON(out.String())), nil
}

// toYAML writes JSON, which is YAML, as people write YAML: the names are those of the JSON, in their order.
func toYAML(encoded []byte) ([]byte, error) {
	var tree yaml.Node
	if err := yaml.Unmarshal(encoded, &tree); err != nil {
		return nil, err
	}
	plain(&tree)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&tree); err != nil {
		return nil, err
	}
	return []byte(printable.YAML(out.String())), e.Close()
}

// plain takes the braces and quotes of JSON away, where YAML does not need them.
func plain(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && printable.Text(n.Value) == n.Value || n.Kind != yaml.ScalarNode && len(n.Content) > 0 {
		n.Style = 0
	}
	for _, c := range n.Content {
		plain(c)
	}
}

// lines is where a command writes what it did, a line each. In other formats than the table there are values instead.
func (s *session) lines() io.Writer {
	if s.format == asTable {
		return s.Out
	}
	return io.Discard
}

// values writes what was done in formats other than the table, and passes an error on about what was not.
func (s *session) values(value any, err error) error {
	if s.format == asTable || err != nil && errors.As(err, new(*Exit)) {
		return err
	}
	return errors.Join(err, s.show(value, nil))
}
