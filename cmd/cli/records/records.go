// Package records writes records as text and reads them back, for klamm consume and klamm produce. There are two formats: JSON, a line for each record, which
// keeps everything, byte for byte, and tells null from empty; and templates, in which a person says what a record looks like.
//
// It knows no cluster and no terminal.
//
// Begin reading at [NewWriter] and [NewReader]. json.go has the format of the lines; franz-go has the templates.
package records

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// JSON is the name of the format with a line of JSON for each record.
const JSON = "json"

// Help says what a template may have. All of it can be written and read.
const Help = `A format is json, or a template. json is a line for each record with all that it has: topic, partition, offset, timestamp, key, value and headers.
A key, value or header that is no UTF-8 text is keyBase64, valueBase64 and so on; null stays null. A template is text with these in it:

  %v  value      %k  key        %t  topic      %p  partition     %o  offset     %d  timestamp, in milliseconds
  %V, %K, %T     the length of the value, key or topic; before them it says how long they are, so that they may have any bytes
  %H             the number of headers; %h{...} what is written for each, with %k, %v, %K and %V
  \n \t \r \\ \x00   special characters;  %% %{ %}  the characters themselves

Braces say how: %v{base64}, %k{hex}, %V{big32} (4 bytes), %d{go#2006-01-02T15:04:05Z07:00#}. A template does not tell null from empty.`

// Writer appends a record as text.
type Writer func(into []byte, r *kgo.Record) []byte

// NewWriter gives what writes records in a format.
func NewWriter(format string) (Writer, error) {
	if format == JSON {
		return appendJSON, nil
	}
	if err := isTemplate(format); err != nil {
		return nil, err
	}
	formatter, err := kgo.NewRecordFormatter(format)
	if err != nil {
		return nil, fmt.Errorf("the template %q: %w", format, err)
	}
	return formatter.AppendRecord, nil
}

// Reader reads records one after the other. Its error is io.EOF after the last one; another names the record by its number.
type Reader func() (*kgo.Record, error)

// NewReader gives what reads records in a format.
func NewReader(format string, in io.Reader) (Reader, error) {
	if format == JSON {
		return newJSONReader(in), nil
	}
	if err := isTemplate(format); err != nil {
		return nil, err
	}
	if strings.HasSuffix(format, `\n`) {
		in = &ended{in: in}
	}
	reader, err := kgo.NewRecordReader(in, format)
	if err != nil {
		return nil, fmt.Errorf("the template %q: %w", format, err)
	}
	n := 0
	return func() (*kgo.Record, error) {
		n++
		r, err := reader.ReadRecord()
		if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return r, err
		}
		return nil, fmt.Errorf("record %d does not fit the template: %w", n, err)
	}, nil
}

func isTemplate(format string) error {
	if !strings.Contains(format, "%") {
		return fmt.Errorf(`%q is no format: it is json, or a template such as "%%k %%v\n"`, format)
	}
	return nil
}

// ended gives a last line the line feed that it lacks, as echo -n leaves it.
type ended struct {
	in   io.Reader
	last byte
	some bool
}

// Read implements io.Reader.
func (e *ended) Read(p []byte) (int, error) {
	n, err := e.in.Read(p)
	if n > 0 {
		e.last, e.some = p[n-1], true
	}
	if n == 0 && errors.Is(err, io.EOF) && e.some && e.last != '\n' && len(p) > 0 {
		p[0], e.last = '\n', '\n'
		return 1, nil
	}
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil // the next call says it
	}
	return n, err
}
