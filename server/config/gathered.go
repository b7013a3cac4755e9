package config

// Setting is a property that somebody gathered before Load, with the place where it was given.
type Setting struct {
	Name, Value string
	Source      Source
}

// FileSettings reads a configuration file as Load does, for who looks at it before Load or changes something in it.
func FileSettings(path string) ([]Setting, []Warning, LoadErrors) {
	found, warnings, errs := readFile(path)
	return exported(found), warnings, errs
}

// TextSettings reads text in the form of a properties file, as Java does. It gives source as the place of all that is in there.
func TextSettings(source Source, text string) ([]Setting, LoadErrors) {
	found, _, errs := readProperties(source, []byte(text))
	for i := range found {
		found[i].source = source
	}
	for _, e := range errs {
		e.Source = source
	}
	return exported(found), errs
}

func exported(settings []setting) []Setting {
	var out []Setting
	for _, s := range settings {
		out = append(out, Setting{s.name, s.value, s.source})
	}
	return out
}

func gathered(settings []Setting) []setting {
	var out []setting
	for _, s := range settings {
		out = append(out, setting{s.Name, s.Value, s.Source})
	}
	return out
}
