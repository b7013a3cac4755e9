package znode

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// encode gives a body's JSON without the HTML escapes and the newline that Go adds and Jackson
// does not. The types of this package always encode.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("znode: a body of type %T cannot be encoded: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// decode reads a body and says which node it was if it cannot.
func decode(path string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return &DecodeError{Path: path, Data: data, Err: err}
	}
	return nil
}

// DecodeError is a body that is not what its path asks for.
type DecodeError struct {
	Path string
	Data []byte
	Err  error
}

// Error tells the path, the cause and how the body begins.
func (e *DecodeError) Error() string {
	data := e.Data
	if len(data) > 100 {
		data = data[:100]
	}
	return fmt.Sprintf("znode %s cannot be read: %v: %q", e.Path, e.Err, data)
}

// Unwrap gives the cause.
func (e *DecodeError) Unwrap() error { return e.Err }
