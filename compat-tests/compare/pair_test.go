package compare

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// pair is the two brokers.
type pair struct {
	*testing.T
	klamm, apache *side
	served        map[int16][2]int16 // versions that both serve
	counts        map[string]int     // questions by API
	found         map[string]*report
	used          []bool // entries of known that were needed
}

// report is one difference that is not known, and the first question it was seen with.
type report struct {
	order int
	text  string
	times int
	from  int16
	to    int16
}

// startPair starts both brokers.
func startPair(t *testing.T, properties map[string]string) *pair {
	p := &pair{T: t, counts: map[string]int{}, found: map[string]*report{}, used: make([]bool, len(known))}
	start := func(name string) *side {
		return &side{name: name, broker: harness.Start(t, harness.Options{Broker: name, Properties: properties})}
	}
	p.apache, p.klamm = start("apache"), start("klamm")
	t.Cleanup(p.klamm.hangUp)
	t.Cleanup(p.apache.hangUp)
	theirs, err := p.apache.versions()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := p.klamm.versions()
	if err != nil {
		t.Fatal(err)
	}
	p.served = map[int16][2]int16{}
	for key, r := range ours {
		if k, ok := theirs[key]; ok && !slices.Contains(betweenBrokers, kmsg.Key(key)) {
			p.served[key] = [2]int16{max(r[0], k[0]), min(r[1], k[1], kmsg.RequestForKey(key).MaxVersion())}
		}
	}
	return p
}

// both does the same on both sides at once.
func (p *pair) both(do func(s *side) error) {
	p.Helper()
	var wg sync.WaitGroup
	var errs [2]error
	for i, s := range []*side{p.klamm, p.apache} {
		wg.Go(func() { errs[i] = do(s) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			p.Fatal(err)
		}
	}
}

// ask sends a question to both and compares what comes of it.
func (p *pair) ask(q question) (klamm, apache outcome) {
	var outcomes [2]outcome
	began := time.Now()
	p.both(func(s *side) error {
		if s == p.klamm {
			outcomes[0] = s.ask(q)
		} else {
			outcomes[1] = s.ask(q)
		}
		return nil
	})
	p.counts[kmsg.NameForKey(q.key)]++
	if took := time.Since(began); took > time.Second {
		p.Logf("%s v%d %s took %s: %s", kmsg.NameForKey(q.key), q.version, q.how, took.Round(time.Second/10), clipText(q.readable(), 300))
	}
	if q.key == int16(kmsg.CreateTopics) { // the answer may have ids of new topics
		p.both(func(s *side) error { _, err := s.learn(); return err })
	}
	for _, g := range compare(p.klamm.tree(outcomes[0]), p.apache.tree(outcomes[1]), "") {
		p.judge(q, g)
	}
	return outcomes[0], outcomes[1]
}

// judge looks a difference up in the table known, and reports it when it is not there.
func (p *pair) judge(q question, g gap) {
	if p.isKnown(q, g) {
		return
	}
	id := fmt.Sprintf("%d %s: klamm %s, Apache %s %s", q.key, inBrackets.ReplaceAllString(g.path, "[]"), clipText(asJSON(g.klamm), 300), clipText(asJSON(g.apache), 300), q.how)
	if r := p.found[id]; r != nil {
		r.times++
		r.from, r.to = min(r.from, q.version), max(r.to, q.version)
		return
	}
	p.found[id] = &report{order: len(p.found), times: 1, from: q.version, to: q.version, text: fmt.Sprintf("%s v%d %s\n  %s\n  at %s\n    klamm  %s\n    Apache %s", kmsg.NameForKey(q.key), q.version, q.how,
		clipText(q.readable(), 1500), g.path, clipText(asJSON(g.klamm), 300), clipText(asJSON(g.apache), 300))}
}

// isKnown says whether a difference is one of those on purpose, and notes that
// they are needed.
func (p *pair) isKnown(q question, g gap) (is bool) {
	for i := range known {
		if known[i].matches(q, g) {
			p.used[i], is = true, true
		}
	}
	return is
}

var inBrackets = regexp.MustCompile(`\[[^\]]*\]`)

func clipText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:n], len(s))
}

// settle reports what was found: every difference once, with its first question.
func (p *pair) settle() {
	reports := make([]*report, 0, len(p.found))
	for _, r := range p.found {
		reports = append(reports, r)
	}
	slices.SortFunc(reports, func(a, b *report) int { return a.order - b.order })
	for _, r := range reports {
		p.Errorf("%d times, v%d to v%d: %s", r.times, r.from, r.to, r.text)
	}
}

// readable tells a request.
func (q question) readable() string {
	if q.req == nil {
		return hex.EncodeToString(q.body)
	}
	text := requestText(reflect.ValueOf(q.req).Elem())
	if q.after != "" {
		return text + " after " + q.after
	}
	if q.how != "" {
		text += " sent as " + hex.EncodeToString(q.body)
	}
	return text
}

func requestText(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return requestText(v.Elem())
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "UnknownTags" && name != "Version" && !v.Field(i).IsZero() {
				parts = append(parts, name+": "+requestText(v.Field(i)))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return fmt.Sprintf("%x", v.Bytes())
		}
		var parts []string
		for i := range v.Len() {
			parts = append(parts, requestText(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Array:
		id := v.Interface().([16]byte)
		if strings.HasPrefix(string(id[:]), "\xfe\xfd@") {
			return "id of " + strings.TrimRight(string(id[3:]), ".")
		}
		return hex.EncodeToString(id[:])
	case reflect.String:
		return fmt.Sprintf("%q", clipText(v.String(), 60))
	default:
		return fmt.Sprint(v.Interface())
	}
}
