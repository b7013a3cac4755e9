package metrics

import (
	"bufio"
	"math"
	"slices"
	"strconv"
	"strings"

	"klamm/observe"
)

// families are the metrics of one scrape by name, as Prometheus' text format has them. They are not made by prometheus.Registry, which compares and
// copies each series: a broker with 10,000 partitions has 200,000 of them.
type families struct{ byName map[string]*series }

func newFamilies() *families { return &families{byName: map[string]*series{}} }

// series are the series of one name.
type series struct {
	name, help, kind string
	samples          []sample
}

// sample is one series: its labels as labels gives them, and its value.
type sample struct {
	labels string
	value  float64
}

// counter gives a family of counters. help says what is counted.
func (f *families) counter(name, help string) *series { return f.of(name, help, "counter") }

// gauge gives a family of gauges.
func (f *families) gauge(name, help string) *series { return f.of(name, help, "gauge") }

func (f *families) of(name, help, kind string) *series {
	s := f.byName[name]
	if s == nil {
		s = &series{name: name, help: help, kind: kind}
		f.byName[name] = s
	}
	return s
}

// labelEscaper writes a label's value as the text format wants it.
var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// labels makes a series' labels of names and values in turns: {name="value",...}, "" for none. Series may share them.
func labels(namesAndValues ...string) string {
	if len(namesAndValues) == 0 {
		return ""
	}
	var text strings.Builder
	for i := 0; i < len(namesAndValues); i += 2 {
		separator := ","
		if i == 0 {
			separator = "{"
		}
		text.WriteString(separator + namesAndValues[i] + `="`)
		_, _ = labelEscaper.WriteString(&text, strings.ToValidUTF8(namesAndValues[i+1], "\uFFFD"))
		text.WriteByte('"')
	}
	text.WriteByte('}')
	return text.String()
}

// add adds a series. labels are what labels gives, or nothing.
func (s *series) add(value float64, labels ...string) {
	s.samples = append(s.samples, sample{strings.Join(labels, ""), value})
}

// addInt adds a series with a whole number.
func (s *series) addInt(value int64, labels ...string) { s.add(float64(value), labels...) }

// addBool adds a series that is 1 or 0.
func (s *series) addBool(value bool, labels ...string) {
	if value {
		s.add(1, labels...)
	} else {
		s.add(0, labels...)
	}
}

// quantiles are those of the histograms of Apache Kafka, as the JMX exporters label them.
var quantiles = [...]struct {
	share float64
	label string
}{{0.5, "0.50"}, {0.75, "0.75"}, {0.95, "0.95"}, {0.98, "0.98"}, {0.99, "0.99"}, {0.999, "0.999"}}

// histogram adds a distribution as the exporters show one: a count, and a gauge for each quantile. What was observed is divided by unit. The count is
// there twice: from version 1.0 on the JMX exporter ends the name of each counter with _total.
func (f *families) histogram(name, help string, d *observe.Distribution, unit float64, more ...string) {
	of := labels(more...)
	f.counter(name+"_count", help+": how many there were").addInt(d.Count, of)
	f.counter(name+"_count_total", help+": how many there were").addInt(d.Count, of)
	gauge := f.gauge(name, help+", in the last five minutes")
	for _, q := range quantiles {
		gauge.add(d.Quantile(q.share)/unit, labels(append(slices.Clone(more), "quantile", q.label)...))
	}
}

// write writes the families by name in order. Errors stay in w.
func (f *families) write(w *bufio.Writer) {
	names := make([]string, 0, len(f.byName))
	for name, s := range f.byName {
		if len(s.samples) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var number [32]byte
	for _, name := range names {
		s := f.byName[name]
		_, _ = w.WriteString("# HELP " + name + " " + s.help + "\n# TYPE " + name + " " + s.kind + "\n")
		for i := range s.samples {
			_, _ = w.WriteString(name)
			_, _ = w.WriteString(s.samples[i].labels)
			_ = w.WriteByte(' ')
			_, _ = w.Write(appendValue(number[:0], s.samples[i].value))
			_ = w.WriteByte('\n')
		}
	}
}

// appendValue writes a number as the text format wants it.
func appendValue(b []byte, v float64) []byte {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}
