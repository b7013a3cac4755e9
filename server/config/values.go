package config

// Values is one immutable snapshot of resolved settings: every property of the table has a value, given or
// default. It is safe for concurrent use.
//
// A getter takes the name of a property whose type fits. For any other name it gives the zero value. A test in
// this package checks every name written in the project's code against the table.
type Values struct {
	byKey map[string]any
}

// Int gives a property of type INT or SHORT; 0 for null.
func (v *Values) Int(name string) int { return int(v.Long(name)) }

// Long gives a property of type LONG, INT or SHORT; 0 for null.
func (v *Values) Long(name string) int64 {
	n, _ := v.byKey[name].(int64)
	return n
}

// Bool gives a property of type BOOLEAN.
func (v *Values) Bool(name string) bool {
	b, _ := v.byKey[name].(bool)
	return b
}

// Double gives a property of type DOUBLE; 0 for null.
func (v *Values) Double(name string) float64 {
	f, _ := v.byKey[name].(float64)
	return f
}

// String gives a property of type STRING, CLASS or PASSWORD; "" for null.
func (v *Values) String(name string) string {
	s, _ := v.byKey[name].(string)
	return s
}

// List gives a property of type LIST; nil for null. The caller must not change the slice.
func (v *Values) List(name string) []string {
	l, _ := v.byKey[name].([]string)
	return l
}

// Null reports whether the property has no value.
func (v *Values) Null(name string) bool { return v.byKey[name] == nil }

// text gives the value as Kafka prints it. It gives nil for null, and for a name that is not in the table.
func (v *Values) text(name string) *string {
	x := v.byKey[name]
	if x == nil {
		return nil
	}
	s := text(x)
	return &s
}

// resolveAll parses the values of the properties in order. A property that is not in given has its default. The
// error is that of the first bad value.
func resolveAll(order []*Property, given map[string]string) (*Values, error) {
	v, errs := resolveEach(order, given)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
}

// resolveEach does the same as resolveAll and gives all errors, each an *InvalidValueError. A property with a bad
// value has its default.
func resolveEach(order []*Property, given map[string]string) (*Values, []error) {
	v := &Values{byKey: make(map[string]any, len(order))}
	var errs []error
	for _, p := range order {
		raw := p.Default
		if s, ok := given[p.Name]; ok {
			raw = &s
		}
		x, err := p.resolve(raw)
		if err != nil {
			errs = append(errs, err)
			x, _ = p.resolve(p.Default)
		}
		v.byKey[p.Name] = x
	}
	return v, append(errs, v.resolveListeners(given)...)
}

// first gives the value of the first property of the chain that is not null, times its factor. It gives -1 if all
// are null.
func (v *Values) first(chain ...Fallback) int64 {
	for _, f := range chain {
		if !v.Null(f.Name) {
			return v.Long(f.Name) * max(f.Factor, 1)
		}
	}
	return -1
}
