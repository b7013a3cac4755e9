package migrate

import (
	"cmp"
	"slices"
)

// Severity says what a finding means for a broker of klamm in the place of the one that was looked at.
type Severity string

const (
	// Refuses says that klamm would not start.
	Refuses Severity = "refuses"
	// Differs says that klamm would start and do something else than Apache Kafka.
	Differs Severity = "differs"
	// Info says that klamm would do the same, and that the operator should know.
	Info Severity = "info"
)

// severities are all of them, the worst first.
var severities = []Severity{Refuses, Differs, Info}

// headings are what they stand under in the text.
var headings = map[Severity]string{Refuses: "klamm would not start", Differs: "klamm would do something different", Info: "for your information"}

// Area is what was looked at.
type Area string

// The areas, in the order in which they are looked at.
const (
	Configuration Area = "configuration"
	Tree          Area = "tree"
	Directories   Area = "directories"
	Clients       Area = "clients"
)

// Finding is one thing that was found.
type Finding struct {
	Severity Severity `json:"severity"`
	Area     Area     `json:"area"`
	// Where lists the places: files and keys, nodes, topics, partitions, directories.
	Where []string `json:"where"`
	// Found says what is there, and Do what to do about it; "" for nothing.
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// Look is one area, and how it was looked at.
type Look struct {
	Area Area `json:"area"`
	// At is where: a file, the servers of ZooKeeper, directories, a URL.
	At string `json:"at"`
	// Skipped says why it was not looked at, where that was not asked for. Failed says why it could not be.
	Skipped string `json:"skipped,omitempty"`
	Failed  string `json:"failed,omitempty"`
}

// Report is all that Check found.
type Report struct {
	// Broker is the broker's id, -1 where nobody has given it one.
	Broker int32 `json:"broker"`
	// Cluster is the cluster's id, "" if it is not known.
	Cluster  string    `json:"cluster,omitempty"`
	Looked   []Look    `json:"looked_at"`
	Findings []Finding `json:"findings"`
}

// ExitCode is 2 if something could not be looked at, 1 if klamm would not start or would do something different, and otherwise 0.
func (r *Report) ExitCode() int {
	for _, l := range r.Looked {
		if l.Failed != "" {
			return 2
		}
	}
	if r.Count(Refuses)+r.Count(Differs) > 0 {
		return 1
	}
	return 0
}

// Count counts the findings of one severity.
func (r *Report) Count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// looked notes an area that was looked at.
func (r *Report) looked(area Area, at string, err error) {
	l := Look{Area: area, At: at}
	if err != nil {
		l.Failed = err.Error()
	}
	r.Looked = append(r.Looked, l)
}

// skipped notes an area that was not looked at.
func (r *Report) skipped(area Area, why string) {
	r.Looked = append(r.Looked, Look{Area: area, Skipped: why})
}

// add notes a finding. A second one that differs only in its places adds them to the first. One without a place is none.
func (r *Report) add(f Finding) {
	if len(f.Where) == 0 {
		return
	}
	for i := range r.Findings {
		if have := &r.Findings[i]; have.Severity == f.Severity && have.Area == f.Area && have.Found == f.Found && have.Do == f.Do {
			have.Where = append(have.Where, f.Where...)
			return
		}
	}
	r.Findings = append(r.Findings, f)
}

// sort puts the worst first, and keeps the order of the areas.
func (r *Report) sort() {
	rank := func(f Finding) int { return slices.Index(severities, f.Severity) }
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
}
