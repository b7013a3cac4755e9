package figures

import (
	"encoding/json"
	"io"
	"time"
)

// Figure is the name of what was measured, with its unit.
type Figure string

// What the loads measure. Latencies are in milliseconds.
const (
	Throughput    Figure = "MB/s"
	Requests      Figure = "req/s"
	Records       Figure = "records/s"
	P50           Figure = "p50 ms"
	P99           Figure = "p99 ms"
	P999          Figure = "p99.9 ms"
	CPUPerGB      Figure = "CPU s/GB"
	CPUPerMillion Figure = "CPU s/M req"
	CPUShare      Figure = "CPU %"
	Peak          Figure = "peak MB"
	Idle          Figure = "idle MB"
)

// Sample is what one round measured.
type Sample map[Figure]float64

// Row is one broker's rounds of a load, summed up by figure.
type Row struct {
	Broker  string             `json:"broker"`
	Figures map[Figure]Summary `json:"figures"`
}

// NewRow sums up the rounds of a broker. There must be at least one; the row has the figures of the first one.
func NewRow(broker string, rounds []Sample) Row {
	r := Row{Broker: broker, Figures: map[Figure]Summary{}}
	for f := range rounds[0] {
		var values []float64
		for _, s := range rounds {
			if v, ok := s[f]; ok {
				values = append(values, v)
			}
		}
		r.Figures[f] = Summarize(values)
	}
	return r
}

// Result is one load on one medium, with a row for each broker that ran it. About says in
// a line what the load does.
type Result struct {
	Load   string   `json:"load"`
	About  string   `json:"about"`
	Medium string   `json:"medium"`
	Order  []Figure `json:"order"` // of the columns
	Rows   []Row    `json:"rows"`
}

// Report is a whole run: the machine that it ran on, when it began, how many seconds it
// took, how many rounds each load had, and the result of each load on each medium.
type Report struct {
	Machine string    `json:"machine"`
	Begun   time.Time `json:"begun"`
	Seconds float64   `json:"seconds"`
	Rounds  int       `json:"rounds"`
	Results []Result  `json:"results"`
}

// WriteJSON writes a report as indented JSON.
func WriteJSON(w io.Writer, r Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}
