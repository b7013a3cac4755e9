package znode

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// encode gives a body's JSON without the HTML escapes and the newline, which Go adds and Jackson
// does not. A type of this package that cannot be encoded is a bug.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("znode: a body of type %T cannot be encoded: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// decode reads a body. Its error is a *DecodeError.
func decode(path string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return &DecodeError{Path: path, Data: data, Err: err}
	}
	return nil
}

// DecodeError says that the body of a node cannot be read.
type DecodeError struct {
	// Path is the node's path.
	Path string
	// Data is the whole body.
	Data []byte
	// Err is the cause.
	Err error
}

// Error names the path and the cause, and quotes the beginning of the body.
func (e *DecodeError) Error() string {
	data := e.Data
	if len(data) > 100 {
		data = data[:100]
	}
	return fmt.Sprintf("znode %s cannot be read: %v: %q", e.Path, e.Err, data)
}

// Unwrap gives the cause.
func (e *DecodeError) Unwrap() error { return e.Err }
