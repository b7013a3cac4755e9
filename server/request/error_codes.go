package request

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/observe"
)

// codeFields are the places of error codes in one kind of answer. They are looked for once for each API, so that counting the codes of an answer
// takes a few steps.
type codeFields struct {
	of    reflect.Type
	codes []int       // the fields of a struct that are error codes
	lists []codeLists // the fields of a struct that are lists of structs with error codes
}

// codeLists is a field with a list.
type codeLists struct {
	field   int
	element *codeFields
}

// codeFieldsOf finds the error codes in an answer.
func codeFieldsOf(resp kmsg.Response) *codeFields { return codeFieldsIn(reflect.TypeOf(resp).Elem()) }

// codeFieldsIn finds the error codes in a struct, nil if it has none.
func codeFieldsIn(t reflect.Type) *codeFields {
	f := &codeFields{of: t}
	for i := range t.NumField() {
		field := t.Field(i)
		switch {
		case field.Name == "ErrorCode" && field.Type.Kind() == reflect.Int16:
			f.codes = append(f.codes, i)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			if element := codeFieldsIn(field.Type.Elem()); element != nil {
				f.lists = append(f.lists, codeLists{i, element})
			}
		}
	}
	if len(f.codes)+len(f.lists) == 0 {
		return nil
	}
	return f
}

// count counts the error codes of an answer (AbstractResponse.errorCounts). An answer without any counts as one without error.
func (f *codeFields) count(resp kmsg.Response, stats *observe.Request) {
	v := reflect.ValueOf(resp)
	if f == nil || v.Kind() != reflect.Pointer || v.Type().Elem() != f.of {
		stats.Error(0)
		return
	}
	f.countIn(v.Elem(), stats)
}

func (f *codeFields) countIn(v reflect.Value, stats *observe.Request) {
	for _, i := range f.codes {
		stats.Error(int16(v.Field(i).Int()))
	}
	for _, l := range f.lists {
		list := v.Field(l.field)
		for i := range list.Len() {
			l.element.countIn(list.Index(i), stats)
		}
	}
}
